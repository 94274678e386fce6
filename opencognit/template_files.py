"""The templates that come with the product: one YAML file for each, in `templates/`."""

from functools import cache
from importlib.resources import files
from typing import Final

from opencognit.domain.company_file import CompanyFile, read_company
from opencognit.domain.errors import NotFound
from opencognit.domain.yaml_text import json_of

_ENDING: Final = ".yaml"


def template_names() -> tuple[str, ...]:
    """All there are, by the names by which they are asked for."""
    found = (file.name for file in files("opencognit").joinpath("templates").iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING)))


@cache
def read_template(name: str) -> CompanyFile:
    """The template of this name.

    Raises:
        NotFound: there is none.
    """
    if name not in template_names():
        raise NotFound(f"Template not found; there are {', '.join(template_names())}")
    return read_company(json_of(files("opencognit").joinpath("templates", name + _ENDING).read_bytes()))
