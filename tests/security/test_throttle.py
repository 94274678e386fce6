import tracemalloc

import pytest

from opencognit.domain.errors import RateLimited
from opencognit.domain.instants import Instant, after
from opencognit.security.throttle import FORGET_AFTER, SignInThrottle

START = Instant("2026-01-01T00:00:00.000Z")
HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"
ACCOUNT = "anna@example.org"


def fail(
    throttle: SignInThrottle,
    times: int,
    *,
    account: str = ACCOUNT,
    address: str = ELSEWHERE,
    now: Instant = START,
) -> Instant:
    """As many failed tries, each as soon as it is allowed; the time of the last one."""
    for _ in range(times):
        now = after(now, wait_of(throttle, account=account, address=address, now=now))
        throttle.check(account, address, now=now)
        throttle.failed(account, address, now=now)
    return now


def wait_of(
    throttle: SignInThrottle, *, account: str = ACCOUNT, address: str = ELSEWHERE, now: Instant = START
) -> float:
    """How long a try would have to wait. It is withdrawn if it would not."""
    try:
        throttle.check(account, address, now=now)
    except RateLimited as refused:
        return refused.retry_after or 0
    throttle.withdrawn(account, address)
    return 0


@pytest.fixture
def throttle() -> SignInThrottle:
    return SignInThrottle()


def test_five_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour(
    throttle: SignInThrottle,
) -> None:
    now, waits = START, []
    for _ in range(18):
        now = fail(throttle, 1, now=now)
        waits.append(wait_of(throttle, now=now))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_after_the_wait_the_next_try_is_allowed(throttle: SignInThrottle) -> None:
    now = fail(throttle, 7)
    assert wait_of(throttle, now=after(now, 3.999)) == 0.001
    assert wait_of(throttle, now=after(now, 4)) == 0


def test_refused_tries_make_the_wait_no_longer(throttle: SignInThrottle) -> None:
    now = fail(throttle, 7)
    for _ in range(100):
        with pytest.raises(RateLimited):
            throttle.check(ACCOUNT, ELSEWHERE, now=now)
    assert wait_of(throttle, now=now) == 4


def test_tries_that_are_made_at_once_count_before_they_are_answered(throttle: SignInThrottle) -> None:
    for _ in range(5):
        throttle.check(ACCOUNT, ELSEWHERE, now=START)
    with pytest.raises(RateLimited):
        throttle.check(ACCOUNT, ELSEWHERE, now=START)


def test_the_wait_begins_with_the_answer(throttle: SignInThrottle) -> None:
    fail(throttle, 4)
    throttle.check(ACCOUNT, ELSEWHERE, now=START)
    answered = after(START, 7)
    throttle.failed(ACCOUNT, ELSEWHERE, now=answered)
    assert wait_of(throttle, now=answered) == 1


def test_success_forgets_the_failures_of_the_pair(throttle: SignInThrottle) -> None:
    now = fail(throttle, 6)
    throttle.succeeded(ACCOUNT, ELSEWHERE)
    assert wait_of(throttle, now=fail(throttle, 4, now=now)) == 0


def test_a_withdrawn_try_does_not_count(throttle: SignInThrottle) -> None:
    for _ in range(100):
        throttle.check(ACCOUNT, ELSEWHERE, now=START)
        throttle.withdrawn(ACCOUNT, ELSEWHERE)
    assert wait_of(throttle) == 0


def test_failures_are_forgotten_after_an_hour_of_quiet(throttle: SignInThrottle) -> None:
    now = fail(throttle, 12)
    assert wait_of(throttle, now=after(now, FORGET_AFTER + 1)) == 0
    assert wait_of(throttle, now=fail(throttle, 4, now=after(now, FORGET_AFTER + 1))) == 0


def test_a_clock_that_was_set_back_makes_nobody_wait_longer(throttle: SignInThrottle) -> None:
    fail(throttle, 6, now=after(START, 1_000_000))
    assert wait_of(throttle, now=START) == 2


def test_the_owner_is_not_locked_out_by_failures_from_one_other_address(throttle: SignInThrottle) -> None:
    now = fail(throttle, 40)
    assert wait_of(throttle, now=now) == 900
    assert wait_of(throttle, address=HOME, now=now) == 0


def test_many_addresses_that_guess_at_one_account_wait_but_the_owner_at_home_does_not(
    throttle: SignInThrottle,
) -> None:
    throttle.check(ACCOUNT, HOME, now=START)
    throttle.succeeded(ACCOUNT, HOME)
    now = START
    for number in range(200):
        now = fail(throttle, 1, address=f"203.0.113.{number}", now=now)
    assert wait_of(throttle, address="203.0.113.250", now=now) == 60
    assert wait_of(throttle, address=HOME, now=now) == 0


def test_the_owner_at_a_new_place_waits_for_a_minute_at_most(throttle: SignInThrottle) -> None:
    now = START
    for number in range(200):
        now = fail(throttle, 1, address=f"203.0.113.{number}", now=now)
    assert wait_of(throttle, address=HOME, now=after(now, 60)) == 0


def test_one_address_that_tries_many_accounts_waits(throttle: SignInThrottle) -> None:
    for number in range(50):
        fail(throttle, 1, account=f"user{number}@example.org")
    assert wait_of(throttle, account="next@example.org") == 1
    assert wait_of(throttle, account="next@example.org", address=HOME) == 0


def test_an_own_account_does_not_wipe_out_what_an_address_did(throttle: SignInThrottle) -> None:
    for number in range(50):
        fail(throttle, 1, account=f"user{number}@example.org")
    later = after(START, 1)
    throttle.check("attacker@example.org", ELSEWHERE, now=later)
    throttle.succeeded("attacker@example.org", ELSEWHERE)
    assert wait_of(throttle, account="next@example.org", now=START) > 0


def test_a_remembered_pair_still_waits_for_its_own_failures(throttle: SignInThrottle) -> None:
    throttle.check(ACCOUNT, HOME, now=START)
    throttle.succeeded(ACCOUNT, HOME)
    assert wait_of(throttle, address=HOME, now=fail(throttle, 5, address=HOME)) == 1


@pytest.mark.parametrize("spelling", ["ANNA@example.org", " anna@Example.ORG "])
def test_spelling_an_account_differently_is_no_way_round(throttle: SignInThrottle, spelling: str) -> None:
    fail(throttle, 5)
    assert wait_of(throttle, account=spelling) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:ffff"), ("::ffff:198.51.100.7", "198.51.100.7"), ("unix:", "unix:")],
)
def test_addresses_of_one_host_count_as_one(throttle: SignInThrottle, one: str, other: str) -> None:
    fail(throttle, 5, address=one)
    assert wait_of(throttle, address=other) == 1


def test_addresses_of_two_networks_count_as_two(throttle: SignInThrottle) -> None:
    fail(throttle, 5, address="2001:db8:0:1::1")
    assert wait_of(throttle, address="2001:db8:0:2::1") == 0


def test_an_endless_attack_is_counted_without_end(throttle: SignInThrottle) -> None:
    assert wait_of(throttle, now=fail(throttle, 2000)) == 900


def test_memory_does_not_grow_with_the_number_or_the_length_of_what_is_tried() -> None:
    throttle = SignInThrottle(max_entries=100)
    tracemalloc.start()
    try:
        for number in range(3000):
            account = f"{number}" + "x" * 10_000
            throttle.check(account, f"2001:db8:{number:x}::1", now=START)
            if number % 2:
                throttle.succeeded(account, f"2001:db8:{number:x}::1")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 300_000


def test_the_longest_untouched_is_forgotten_first() -> None:
    throttle = SignInThrottle(max_entries=2)
    fail(throttle, 5, account="first", address="192.0.2.1")
    fail(throttle, 5, account="second", address="192.0.2.2")
    now = fail(throttle, 1, account="first", address="192.0.2.1")
    fail(throttle, 5, account="third", address="192.0.2.3")
    assert wait_of(throttle, account="third", address="192.0.2.3") == 1
    assert wait_of(throttle, account="first", address="192.0.2.1", now=now) == 2
    assert wait_of(throttle, account="second", address="192.0.2.2") == 0
