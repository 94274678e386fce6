"""Whether what clients saw of an object could have happened one step at a time.

A history is linearizable if every operation can be given one instant between its call and its answer, so that the
sequence is one that the object's model allows (Herlihy and Wing, 1990). The check goes through the calls and answers in
order and keeps every state that the object may be in, together with the calls that must already have taken effect
(just-in-time linearization, G. Lowe, "Testing for linearizability", 2017).
"""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

UNKNOWN = object()
"""The answer of a call whose caller has never got one: it took effect or it did not."""


@dataclass(eq=False)
class Operation:
    """One call by one client.

    Attributes:
        name, arguments: what was called.
        called, answered: when, by one clock; `answered` of an unknown outcome is when it can no longer take effect.
        answer: what came back.
    """

    name: str
    arguments: Any
    called: float
    answered: float = math.inf
    answer: Any = UNKNOWN


Model = Callable[[Any, Operation], Iterable[Hashable]]
"""The states in which the object may be after this operation with this answer; none if it cannot give that answer."""


def violation(history: list[Operation], model: Model, initial: Hashable) -> Operation | None:
    """The first answer that no order of the operations explains, or None for a linearizable history."""
    moments = sorted(
        [(operation.called, 0, index) for index, operation in enumerate(history)]
        + [(operation.answered, 1, index) for index, operation in enumerate(history)]
    )
    pending: set[int] = set()
    # A state, and which of the pending calls have taken effect in it.
    possible: set[tuple[Hashable, frozenset[int]]] = {(initial, frozenset())}
    for _, is_answer, index in moments:
        if not is_answer:
            pending.add(index)
            continue
        possible = _with_effect(history, model, possible, pending, index)
        if not possible:
            return history[index]
        pending.discard(index)
        possible = {(state, done - {index}) for state, done in possible}
    return None


def _with_effect(
    history: list[Operation],
    model: Model,
    possible: set[tuple[Hashable, frozenset[int]]],
    pending: set[int],
    index: int,
) -> set[tuple[Hashable, frozenset[int]]]:
    """What is possible once this call has taken effect, any others before it."""
    is_unknown = history[index].answer is UNKNOWN
    reached = set()
    seen = set(possible)
    frontier = list(possible)
    while frontier:
        state, done = frontier.pop()
        if index in done or is_unknown:
            reached.add((state, done))
            if index in done:
                continue
        for other in pending - done:
            for after in model(state, history[other]):
                # An unknown call that changes nothing need not have happened.
                if after == state and history[other].answer is UNKNOWN:
                    continue
                step = (after, done | {other})
                if step not in seen:
                    seen.add(step)
                    frontier.append(step)
    return reached
