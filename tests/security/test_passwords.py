import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencognit.domain.errors import Draining, Unavailable
from opencognit.security.passwords import THREADS, Passwords

CHEAP = 4
NOTICEABLE = 9


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(CHEAP)
    yield passwords
    passwords.close()


@pytest.fixture
async def slow() -> AsyncIterator[Passwords]:
    passwords = Passwords(NOTICEABLE, max_waiting=1)
    yield passwords
    passwords.close()


async def test_the_right_password_is_right_and_another_is_not(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("correct horsf", stored)


async def test_a_hash_shows_its_cost_and_is_salted(passwords: Passwords) -> None:
    first, second = await asyncio.gather(passwords.hash("same"), passwords.hash("same"))
    assert first.startswith("$2b$04$")
    assert first != second


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Mn", "Mc"]), min_size=1, max_size=40),
    ends=st.tuples(st.sampled_from("aä€😀0"), st.sampled_from("bö₤🚀1")),
)
def test_thousand_characters_that_differ_in_the_last_are_two_passwords(text: str, ends: tuple[str, str]) -> None:
    start = (text * 1000)[:999]

    async def compare() -> tuple[bool, bool]:
        passwords = Passwords(CHEAP)
        try:
            stored = await passwords.hash(start + ends[0])
            same, other = (passwords.verify(start + end, stored) for end in ends)
            return await same, await other
        finally:
            passwords.close()

    assert asyncio.run(compare()) == (True, False)


async def test_a_zero_byte_ends_no_password(passwords: Passwords) -> None:
    stored = await passwords.hash("before\0after")
    assert not await passwords.verify("before\0other", stored)


async def test_the_same_text_from_another_keyboard_is_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.hash("sch\u00f6n")
    assert await passwords.verify("scho\u0308n", stored)


async def test_a_text_that_is_not_unicode_is_still_a_password(passwords: Passwords) -> None:
    stored = await passwords.hash("half \ud83d")
    assert await passwords.verify("half \ud83d", stored)


@pytest.mark.parametrize("password", ["", "." * 31, "anything"])
async def test_no_password_is_right_for_an_unknown_account(passwords: Passwords, password: str) -> None:
    assert not await passwords.verify(password, None)


async def test_an_unknown_account_takes_as_long_as_a_known_one(slow: Passwords) -> None:
    stored = await slow.hash("secret")

    async def fastest(against: str | None) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            await slow.verify("guess", against)
            times.append(time.perf_counter() - start)
        return min(times)

    known, unknown = await fastest(stored), await fastest(None)
    assert known / 2 < unknown < known * 2


async def test_the_loop_goes_on_while_passwords_are_hashed(slow: Passwords) -> None:
    hashing = asyncio.ensure_future(slow.hash("secret"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


async def test_more_than_may_wait_are_refused_until_there_is_room(slow: Passwords) -> None:
    results = await asyncio.gather(*(slow.hash("secret") for _ in range(THREADS + 3)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    assert len(refused) == 2
    assert await slow.hash("secret")


async def test_callers_that_give_up_leave_their_place(slow: Passwords) -> None:
    calls = [asyncio.ensure_future(slow.hash("secret")) for _ in range(THREADS + 1)]
    await asyncio.sleep(0)
    calls[-1].cancel()
    await asyncio.wait(calls)
    # On a slow machine a thread had taken up the last one already, and its place is free when that is done.
    async with asyncio.timeout(20):
        while True:
            again = (slow.hash("secret") for _ in range(THREADS + 1))
            if all(isinstance(result, str) for result in await asyncio.gather(*again, return_exceptions=True)):
                break


async def test_closing_answers_those_who_wait() -> None:
    passwords = Passwords(NOTICEABLE)
    calls = [asyncio.ensure_future(passwords.hash("secret")) for _ in range(THREADS + 3)]
    await asyncio.sleep(0)
    passwords.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Draining) for result in results) >= 3
    with pytest.raises(Draining):
        await passwords.verify("secret", None)


def test_a_cost_that_bcrypt_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="rounds"):
        Passwords(3)
