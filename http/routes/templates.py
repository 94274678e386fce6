"""Ready-made companies that come with the server."""

from opencognit.domain.company_file import CompanyFile, ImportedCompany
from opencognit.domain.company_template import Template, UseTemplate
from opencognit.domain.errors import NotFound
from opencognit.domain.wire_names import PATHS
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject

routes = Routes()

ALL = f"/api/{PATHS['templates']}"
ONE = ALL + "/{name}"


@routes.add("GET", ALL, subject=Subject.SIGNED_IN)
async def offer(request: Request) -> list[Template]:
    """The templates of this server."""
    return list(request.runtime.templates())


@routes.add("GET", ONE, subject=Subject.SIGNED_IN, errors=(NotFound,))
async def show(request: Request) -> CompanyFile:
    """A template as a file that can be changed and then imported."""
    return request.runtime.template(request.raw.match_info["name"])


@routes.add(
    "POST",
    f"{ONE}/{PATHS['companies']}",
    subject=Subject.SIGNED_IN,
    status=201,
    secret=True,
    errors=(NotFound,),
    example={"name": "Acme", "goal": "Rockets for everyone", "adapter": "openai"},
)
async def found(request: Request[UseTemplate]) -> ImportedCompany:
    """Found a company from a template, with what the body says otherwise. The caller owns it, and it is paused."""
    wish = await request.body()
    return await request.runtime.use_template(request.raw.match_info["name"], wish, origin=request.origin)
