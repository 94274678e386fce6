"""The checker itself: right histories pass, wrong ones are found."""

import math

from tests.promises.linearizability import UNKNOWN, Operation, violation
from tests.promises.lock_model import Granted, Lock, Seen, lock_model

LEASE = 60.0


def checkout(run: str, called: float, answered: float = math.inf, answer: object = UNKNOWN) -> Operation:
    return Operation("checkout", ("agent", run, LEASE), called, answered, answer)


def release(run: str, token: int, called: float, answered: float = math.inf, answer: object = UNKNOWN) -> Operation:
    return Operation("release", ("agent", run, token), called, answered, answer)


def granted(token: int, at: float) -> Granted:
    return Granted(token, at + LEASE)


def locked(run: str) -> tuple[str, tuple[str, str]]:
    return ("LOCKED", ("agent", run))


def is_right(*history: Operation) -> bool:
    return violation(list(history), lock_model, Lock()) is None


def test_a_lock_taken_given_back_and_taken_again_is_right() -> None:
    assert is_right(
        checkout("a", 1, 2, granted(1, 1)), release("a", 1, 3, 4, "done"), checkout("b", 5, 6, granted(2, 5))
    )


def test_two_holders_at_once_are_found() -> None:
    second = checkout("b", 3, 4, granted(2, 3))
    assert violation([checkout("a", 1, 2, granted(1, 1)), second], lock_model, Lock()) is second


def test_a_token_that_does_not_rise_is_found() -> None:
    assert not is_right(
        checkout("a", 1, 2, granted(1, 1)), release("a", 1, 3, 4, "done"), checkout("b", 5, 6, granted(1, 5))
    )


def test_overlapping_calls_may_have_happened_in_either_order() -> None:
    second = (checkout("b", 2, 3, granted(1, 2)), release("b", 1, 4, 5, "done"))
    assert is_right(checkout("a", 1, 9, granted(2, 8)), *second)
    assert not is_right(checkout("a", 1, 9, granted(1, 8)), *second)
    assert is_right(checkout("a", 1, 9, granted(1, 2)), checkout("b", 2, 8, locked("a")))


def test_a_refusal_while_nobody_held_the_lock_is_found() -> None:
    assert not is_right(checkout("b", 1, 2, locked("a")), checkout("a", 3, 4, granted(1, 3)))


def test_a_call_without_an_answer_may_have_taken_effect_or_not() -> None:
    assert is_right(checkout("a", 1), checkout("b", 2, 3, granted(1, 2)))
    assert is_right(checkout("a", 1), checkout("b", 2, 3, locked("a")))
    assert is_right(checkout("a", 1), checkout("b", 2, 3, locked("a")), checkout("b", 70, 71, granted(2, 70)))


def test_a_call_without_an_answer_takes_no_effect_after_the_server_has_died() -> None:
    assert not is_right(checkout("a", 1, 2), checkout("b", 3, 4, granted(1, 3)), checkout("c", 5, 6, locked("a")))


def test_a_lock_is_free_after_its_lease_and_not_before() -> None:
    assert is_right(checkout("a", 1, 2, granted(1, 1)), checkout("b", 61, 62, granted(2, 61)))
    assert not is_right(checkout("a", 1, 2, granted(1, 1)), checkout("b", 59, 60, granted(2, 59)))
    assert not is_right(checkout("a", 1, 2, granted(1, 1)), checkout("b", 62, 63, locked("a")))


def test_a_late_release_and_a_late_write_must_be_refused() -> None:
    taken_twice = (checkout("a", 1, 2, granted(1, 1)), checkout("b", 70, 71, granted(2, 70)))
    assert is_right(*taken_twice, release("a", 1, 72, 73, "STALE_TOKEN"))
    assert not is_right(*taken_twice, release("a", 1, 72, 73, "done"))
    assert is_right(*taken_twice, Operation("write", 1, 72, 73, "STALE_TOKEN"))
    assert not is_right(*taken_twice, Operation("write", 1, 72, 73, "done"))


def test_a_read_must_see_what_was_answered_before() -> None:
    taken = checkout("a", 1, 2, granted(1, 1))
    assert is_right(taken, Operation("read", None, 3, 4, Seen(1, ("agent", "a"))))
    assert not is_right(taken, Operation("read", None, 3, 4, Seen(0, None)))


def test_a_lost_grant_is_found() -> None:
    """The server answered, died, and knew nothing of it afterwards."""
    assert not is_right(checkout("a", 1, 2, granted(1, 1)), checkout("b", 3, 4, granted(1, 3)))
