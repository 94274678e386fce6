"""Every message has its handler, every event its words, every route its right."""

import ast
import inspect
import re
from typing import Any, get_args

import pytest

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain import events
from opencognit.domain.events import Event
from opencognit.domain.message import Message
from opencognit.http.route import Route, Subject
from opencognit.http.server import ROUTES
from opencognit.runtime import ACTORS
from tests.house.source import modules, tree

PROTOCOL = [(actor, message) for actor in ACTORS.values() for message in get_args(actor.protocol) or (actor.protocol,)]
EVENTS = {
    kind.type: kind
    for kind in vars(events).values()
    if inspect.isclass(kind) and issubclass(kind, Event) and hasattr(kind, "type")
}


@pytest.mark.parametrize(("actor", "message"), PROTOCOL, ids=lambda kind: kind.__name__)
def test_a_message_has_a_documented_handler_of_its_name(
    actor: type[PersistentActor[Any]], message: type[Message[Any]]
) -> None:
    handler = getattr(actor, re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower())
    assert handler.__doc__
    assert message.__doc__


def test_a_class_with_a_message_but_without_its_handler_cannot_be_made() -> None:
    class Ping(Message[None], frozen=True):
        pass

    with pytest.raises(TypeError, match=r"Deaf has no handler ping\(\) for Ping"):

        class Deaf(PersistentActor[Any]):
            protocol = Ping


def test_every_message_of_the_domain_is_understood_by_someone() -> None:
    named = {
        node.id
        for name, file in modules().items()
        if ".actors." in name
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Name)
    }
    domain = {
        kind.__name__
        for kind in _all_messages()
        if kind.__module__.startswith("opencognit.domain") and kind is not Message
    }
    assert sorted(domain - named) == []


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_an_event_is_documented_and_sent_by_someone(kind: type[Event]) -> None:
    assert kind.__doc__
    sending = [
        name
        for name, file in modules().items()
        if name != "opencognit.domain.events"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and kind.__name__ in ast.unparse(node.func).split(".")
    ]
    assert sending


def test_no_two_events_have_the_same_type() -> None:
    with_type = [
        kind
        for kind in vars(events).values()
        if inspect.isclass(kind) and issubclass(kind, Event) and "type" in vars(kind)
    ]
    assert len({kind.type for kind in with_type}) == len(with_type) == len(EVENTS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_its_right_and_what_it_does(route: Route) -> None:
    assert (route.right is None) == (route.subject in (Subject.PUBLIC, Subject.SIGNED_IN))
    assert route.handler.__doc__
    assert ("{id}" in route.path) == (route.subject not in (Subject.PUBLIC, Subject.SIGNED_IN)) or route.path.endswith(
        "/rueckruf"
    )


def test_no_two_routes_are_the_same() -> None:
    ways = [(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES]
    assert sorted(ways) == sorted(set(ways))


def _all_messages() -> list[type[Message[Any]]]:
    found: list[type[Message[Any]]] = []
    waiting: list[type[Message[Any]]] = [Message]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found
