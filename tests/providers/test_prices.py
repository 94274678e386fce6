"""What tokens cost."""

import socket
import subprocess
import sys
from decimal import Decimal

import genai_prices.data_snapshot
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.pricing import StatedPrices
from opencognit.domain.run import TokenUsage
from opencognit.providers.prices import FallbackPrice, PriceList

HAIKU = "claude-haiku-4-5"
UNKNOWN = "claude-of-next-year"
tokens = st.integers(min_value=0, max_value=10**9)


@pytest.mark.parametrize(
    ("usage", "cents"),
    [
        (TokenUsage(input_tokens=1_000_000), "100"),
        (TokenUsage(output_tokens=1_000_000), "500"),
        (TokenUsage(cache_read_tokens=1_000_000), "10"),
        (TokenUsage(cache_write_tokens=1_000_000), "125"),
        (TokenUsage(input_tokens=1), "0.0001"),
        (TokenUsage(cache_read_tokens=1), "0.00001"),
        (TokenUsage(), "0"),
    ],
)
def test_each_kind_of_token_has_its_price(usage: TokenUsage, cents: str) -> None:
    cost = PriceList().cost(usage, vendor="anthropic", model=HAIKU)
    assert cost.cents == Decimal(cents)
    assert not cost.estimated


def test_a_model_is_found_by_its_dated_name() -> None:
    usage = TokenUsage(output_tokens=1000)
    dated = PriceList().cost(usage, vendor="anthropic", model="claude-haiku-4-5-20251001")
    assert dated == PriceList().cost(usage, vendor="anthropic", model=HAIKU)


@pytest.mark.parametrize(("vendor", "model"), [("anthropic", UNKNOWN), ("nobody", HAIKU), ("anthropic", "")])
def test_an_unknown_model_has_the_stated_price(vendor: str, model: str) -> None:
    prices = PriceList(fallback=FallbackPrice(input=Decimal(7)))
    cost = prices.cost(TokenUsage(input_tokens=1_000_000), vendor=vendor, model=model)
    assert cost.cents == 7
    assert cost.estimated


@given(read=tokens, written=tokens, put_in=tokens, put_out=tokens, model=st.sampled_from([HAIKU, UNKNOWN]))
def test_whatever_was_used_is_never_free_and_never_finer_than_a_micro_cent(
    read: int, written: int, put_in: int, put_out: int, model: str
) -> None:
    usage = TokenUsage(input_tokens=put_in, output_tokens=put_out, cache_read_tokens=read, cache_write_tokens=written)
    cents = PriceList().cost(usage, vendor="anthropic", model=model).cents
    assert cents.as_tuple().exponent == -6
    assert (cents > 0) == (read + written + put_in + put_out > 0)


def test_the_worst_case_is_dearer_than_what_then_happens() -> None:
    prompt = "How many anvils are there? " * 100
    worst = PriceList().worst_case(prompt_bytes=len(prompt), max_tokens=500)
    used = TokenUsage(input_tokens=700, output_tokens=500)
    costs = [PriceList().cost(usage, vendor="anthropic", model=HAIKU).cents for usage in (used, worst)]
    assert costs == sorted(costs)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the price list asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    prices = PriceList()
    prices.load()
    prices.cost(TokenUsage(input_tokens=1), vendor="anthropic", model=HAIKU)
    assert genai_prices.data_snapshot._custom_snapshot is None


def test_prices_that_someone_else_has_fetched_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = genai_prices.data_snapshot.DataSnapshot(providers=[], from_auto_update=True)
    monkeypatch.setattr(genai_prices.data_snapshot, "_custom_snapshot", empty)
    assert not PriceList().cost(TokenUsage(input_tokens=1), vendor="anthropic", model=HAIKU).estimated


@pytest.mark.parametrize("package", ["anthropic", "genai_prices"])
def test_the_slow_packages_are_imported_on_first_use(package: str) -> None:
    program = (
        f"import sys, opencognit.providers.table, opencognit.providers.prices; sys.exit({package!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


MILLION_EACH = TokenUsage(
    input_tokens=1_000_000, output_tokens=1_000_000, cache_read_tokens=1_000_000, cache_write_tokens=1_000_000
)


def priced(model: str, company_id: str | None = None) -> tuple[Decimal, bool]:
    """(cents, whether estimated) of a million of each, where the settings state some prices."""
    stated = StatedPrices()
    stated.set(None, models={HAIKU: {"input": 1, "output": 2}, "local": {"kostenlos": True}}, fallback=None)
    stated.set(
        "company",
        models={HAIKU: {"input": 3, "output": 4, "cacheRead": 0.5, "cacheWrite": 5}},
        fallback={"input": 7, "output": 8},
    )
    cost = PriceList(stated=stated).cost(MILLION_EACH, vendor="anthropic", model=model, company_id=company_id)
    return cost.cents, cost.estimated


@pytest.mark.parametrize(
    ("model", "company_id", "cents", "estimated"),
    [
        (HAIKU, None, "5", False),
        (HAIKU, "another", "5", False),
        (HAIKU, "company", "12.5", False),
        (HAIKU + "-20251001", "company", "12.5", False),
        ("local", "company", "0", False),
        (UNKNOWN, "company", "29", True),
        (UNKNOWN, "another", "11025", True),
    ],
)
def test_the_price_that_the_settings_state_wins(
    model: str, company_id: str | None, cents: str, estimated: bool
) -> None:
    assert priced(model, company_id) == (Decimal(cents), estimated)


def test_a_price_that_was_taken_back_holds_no_longer() -> None:
    stated = StatedPrices()
    stated.set("company", models={HAIKU: {"input": 3, "output": 4}}, fallback={"input": 7, "output": 8})
    stated.set("company", models=None, fallback=None)
    assert (stated.of_model(HAIKU, "company"), stated.fallback("company")) == (None, None)
