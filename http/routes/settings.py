"""Settings of the whole server and of each company. Secrets are shown masked."""

from typing import Any

from opencognit.domain.caller import Right
from opencognit.domain.errors import Forbidden, NotFound
from opencognit.domain.kinds import SETTINGS
from opencognit.domain.setting import SERVER, ChangeSetting, Setting, SettingBody, SettingsQuery
from opencognit.domain.wire_names import PATHS
from opencognit.http.access import enter_company
from opencognit.http.request import Request
from opencognit.http.route import Routes, Subject
from opencognit.security.secrets import is_secret_name

routes = Routes()

ALL = f"/api/{PATHS['settings']}"


@routes.add("GET", ALL, subject=Subject.SIGNED_IN, errors=(NotFound,))
async def listing(request: Request[None, SettingsQuery]) -> dict[str, Any]:
    """The server's settings, for an admin; a company's own for its members, its secrets for its owners."""
    await _enter(request, request.query.company_id, Right.READ)
    settings = await request.runtime.system.state(SETTINGS, request.company_id or SERVER)
    values = settings.values if settings is not None else {}
    owns = request.runtime.directory.may(request.caller, request.company_id, Right.OWN)
    return {key: value for key, value in values.items() if owns or not is_secret_name(key)}


@routes.add("PUT", ALL + "/{key}", subject=Subject.SIGNED_IN, errors=(Forbidden, NotFound), example={"value": "en"})
async def change(request: Request[SettingBody]) -> Setting:
    """Set, replace or (with null) delete one; the server's as an admin, a company's as its owner."""
    body = await request.body()
    await _enter(request, body.company_id, Right.OWN)
    message = ChangeSetting(key=request.raw.match_info["key"], value=body.value)
    return await request.ask(SETTINGS, message, entity_id=request.company_id or SERVER)


async def _enter(request: Request, company_id: str | None, right: Right) -> None:
    if company_id is not None:
        await enter_company(request, company_id, right)
    elif not request.caller.is_admin:
        raise Forbidden("Only an admin has to do with the server's own settings; name your company")
