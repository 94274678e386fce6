"""The client's table of calls and the server's table of routes say the same."""

import inspect
import re
from typing import Any, get_args

import msgspec
import pytest

import opencognit.client
from opencognit.client import BlockingClient, Client
from opencognit.client import resources as client_resources
from opencognit.client.calls import Call, Pages, Resource
from opencognit.domain.permission import Chosen
from opencognit.domain.query import Query
from opencognit.http.route import Route
from opencognit.http.server import ROUTES
from tests.house.source import ROOT

RESOURCES = {
    name: kind
    for name, kind in vars(client_resources).items()
    if inspect.isclass(kind) and issubclass(kind, Resource) and kind is not Resource
}
ENTRIES: dict[str, Call[Any, Any] | Pages[Any, Any]] = {
    f"{resource}.{name}": entry
    for resource, kind in RESOURCES.items()
    for name, entry in vars(kind).items()
    if isinstance(entry, Call | Pages)
}
CALLS = {name: entry.call if isinstance(entry, Pages) else entry for name, entry in ENTRIES.items()}
ROUTE_OF = {(route.method, route.path): route for route in ROUTES}
NOT_FOR_CLIENTS = {
    # Others ask these, with a proof of their own instead of a token.
    "runs_call_back",
    "webhooks_receive",
    # They describe the API to people and programs that have no client yet.
    "documents_openapi",
    "documents_page",
    # The same events come over `/ws`, which the client follows.
    "events_stream",
}


def route_of(name: str) -> Route:
    return ROUTE_OF[CALLS[name].method, CALLS[name].path]


def test_every_route_has_its_call() -> None:
    called = {route_of(name).name for name in ENTRIES}
    assert {route.name for route in ROUTES} - called == NOT_FOR_CLIENTS


def test_no_route_has_two_calls() -> None:
    assert len({route_of(name).name for name in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_call_is_answered_with_what_its_route_answers(name: str) -> None:
    entry, route = ENTRIES[name], route_of(name)
    assert isinstance(entry, Pages) == route.is_list
    assert (entry.row if isinstance(entry, Pages) else entry.answer) == route.element


@pytest.mark.parametrize("name", ENTRIES)
def test_a_call_takes_what_its_route_takes(name: str) -> None:
    call, route = CALLS[name], route_of(name)
    taken = call.fields
    if not (inspect.isclass(taken) and issubclass(taken, msgspec.Struct)):
        # A dictionary of any names, or nothing: all that such a body holds may be left out, or is no client's matter.
        assert taken is None or route.body is Chosen
        assert route.body in (None, Chosen) or not required(route.body), f"{name} leaves out a body"
        assert route.query in (None, Query) or not is_list_or_narrowed(route)
    elif call.method == "GET":
        assert taken is route.query
    else:
        assert taken is route.body or taken in get_args(route.body)


def test_both_clients_have_every_resource_and_the_same_arguments() -> None:
    for client in (Client, BlockingClient):
        opened = client("http://localhost")
        assert {type(value).__name__ for value in vars(opened).values() if isinstance(value, Resource)} == set(
            RESOURCES
        )
    assert inspect.signature(Client) == inspect.signature(BlockingClient)
    assert inspect.signature(Client.events).parameters == inspect.signature(BlockingClient.events).parameters


def test_the_page_about_the_client_lists_every_call() -> None:
    page = (ROOT / "docs" / "client.md").read_text("utf-8")
    listed = {
        f"{resource}.{name}"
        for resource, names in re.findall(r"^\| `client\.(\w+)` \| (.*) \|$", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert listed == {f"{resource.lower()}.{name}" for resource, _, name in (name.partition(".") for name in ENTRIES)}


@pytest.mark.parametrize("name", opencognit.client.__all__)
def test_a_public_name_of_the_client_is_documented_and_introduced(name: str) -> None:
    kind = getattr(opencognit.client, name)
    methods = [method for method, value in vars(kind).items() if method[0] != "_" and inspect.isfunction(value)]
    assert kind.__doc__
    assert [method for method in methods if not inspect.getdoc(getattr(kind, method))] == []
    assert f"`{name}`" in (opencognit.client.__doc__ or "")


def required(body: Any) -> list[str]:
    return [field.name for field in msgspec.structs.fields(body) if field.required]


def is_list_or_narrowed(route: Route) -> bool:
    return route.is_list or bool(route.query and route.query.__struct_fields__)
