"""What schemathesis has to know about this API beyond its document; loaded by its command (`SCHEMATHESIS_HOOKS`)."""

import itertools
import json
import os
import re
from typing import Any

import requests
import schemathesis

OF_THE_DECODER = re.compile(r"Expected `|Invalid |Object |is not a known field")
"""How sentences begin that say of a value that it is not of its type."""

WHOLE_FLOAT = re.compile(r"Expected `int\b.*got `float`")
"""JSON Schema takes 5.0 for an integer; we do not."""

FORM_GIVEN_ELSEWHERE = ("payload", "wert", "verbindungsConfig")
"""Fields whose form follows from another one: the kind of an approval, the name of a setting, an agent's adapter."""

IDS = json.loads(os.environ["OPENCOGNIT_IDS"])
"""Ids of things that are there, by the word of a path or the name of a parameter; empty where links are followed."""

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_numbers = itertools.count(1)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Ask about something that is there, and never with a token that is gone afterwards."""
    if case.operation.method.upper() != "DELETE":
        _, _, kind, *_ = case.operation.path.split("/")
        for name, value in (case.path_parameters or {}).items():
            real = IDS.get(kind if name == "id" else name)
            if real is not None and UUID.fullmatch(str(value)):
                case.path_parameters[name] = real
    # Signing out revokes the token that it is asked with.
    ours = f"Bearer {os.environ['OPENCOGNIT_TOKEN']}"
    if case.operation.label == "POST /api/auth/abmelden" and (case.headers or {}).get("Authorization") == ours:
        body = {"name": "Guest", "email": f"guest{next(_numbers)}@example.com", "passwort": "secret-password"}
        answer = requests.post(f"{os.environ['OPENCOGNIT_URL']}/api/auth/registrieren", json=body, timeout=10)
        case.headers["Authorization"] = f"Bearer {answer.json()['token']}"


@schemathesis.check
def what_the_schema_lets_through_is_read(ctx: Any, response: Any, case: Any) -> None:
    """A body that is as its schema says may be wrong in what it means, never in its form."""
    is_good = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_good or response.status_code != 400:
        return
    for detail in response.json().get("details", ()):
        field, problem = detail["feld"], detail["problem"]
        if (
            OF_THE_DECODER.match(problem)
            and not WHOLE_FLOAT.match(problem)
            and _root(field) not in FORM_GIVEN_ELSEWHERE
        ):
            raise AssertionError(f"The schema lets through what is refused: {detail}")


def _root(field: str) -> str:
    return re.split(r"[.\[]", field, maxsplit=1)[0]
