"""What tokens cost: as the settings say, else the list prices that ship with `genai-prices`, else a stated price.

Costs are exact decimals of a cent, rounded up to a millionth of one. No price is 0 unless a setting says so.
Nothing is fetched: the list is the installed package's, whatever the rest of the process does with that package.
"""

from decimal import ROUND_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from opencognit.domain.pricing import StatedPrices
from opencognit.domain.run import TokenUsage
from opencognit.providers.exchange import MICRO_CENT

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

_MILLION = 1_000_000
_CENTS_IN_A_DOLLAR = 100

# English text has about four bytes a token, the densest scripts and code seldom fewer than two.
_FEWEST_BYTES_PER_TOKEN = 2


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a call costs."""

    cents: Decimal
    estimated: bool = False
    """Whether the price is not the model's own, or the tokens were not counted by the provider."""


class FallbackPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Cents for a million tokens of a model that the list lacks.

    The defaults are the dearest list prices that Anthropic has asked for a model in general use, so that a
    budget errs on the safe side.
    """

    input: Decimal = Decimal(1500)
    output: Decimal = Decimal(7500)
    cache_read: Decimal = Decimal(150)
    cache_write: Decimal = Decimal(1875)

    def cents(self, usage: TokenUsage) -> Decimal:
        """The price of these tokens."""
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_tokens * self.cache_write
        ) / _MILLION


class PriceList:
    """Prices of models by vendor and name."""

    def __init__(self, *, fallback: FallbackPrice | None = None, stated: StatedPrices | None = None) -> None:
        self._fallback = fallback or FallbackPrice()
        self._stated = stated or StatedPrices()

    def load(self) -> None:
        """Read the list, which takes 0.4 s; call it in a thread to keep the event loop free."""
        self._list.find_provider(None, "anthropic", None)

    def cost(self, usage: TokenUsage, *, vendor: str, model: str, company_id: str | None = None) -> Cost:
        """What these tokens cost, those read from and written to a prompt cache at their own prices.

        Args:
            usage: tokens as the provider counted them.
            vendor: whose list it is, for instance `anthropic`.
            model: as the provider named it in its answer.
            company_id: whose settings may state prices of their own.

        Returns:
            The price that the settings state, 0 only where they say that the model is free; else the list price;
            else the fallback price, marked as estimated, where the list has none or says 0.
        """
        own = self._stated.of_model(model, company_id)
        if own is not None:
            return Cost(cents=_rounded(own.cents(usage)))
        dollars = self._list_price(usage, vendor=vendor, model=model)
        if dollars:
            return Cost(cents=_rounded(dollars * _CENTS_IN_A_DOLLAR))
        cents = _rounded((self._stated.fallback(company_id) or self._fallback).cents(usage))
        return Cost(cents=cents, estimated=cents > 0)

    def worst_case(self, *, prompt_bytes: int, max_tokens: int) -> TokenUsage:
        """The most tokens that a call can use; for one whose answer was lost, and to reserve before one."""
        prompt = -(-prompt_bytes // _FEWEST_BYTES_PER_TOKEN)
        return TokenUsage(cache_write_tokens=prompt, output_tokens=max_tokens)

    def _list_price(self, usage: TokenUsage, *, vendor: str, model: str) -> Decimal | None:
        from genai_prices import Usage

        counted = Usage(
            # The package counts cached tokens among the input.
            input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        )
        try:
            price = self._list.calc(counted, model, vendor, None, None)
        except LookupError:
            return None
        return price.total_price

    @cached_property
    def _list(self) -> "DataSnapshot":
        # Imported on first use: it takes 0.4 s.
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot

        # A snapshot of our own: the package's may be replaced by its updater, which asks the network.
        return DataSnapshot(providers=providers, from_auto_update=False)


def _rounded(cents: Decimal) -> Decimal:
    return cents.quantize(MICRO_CENT, rounding=ROUND_UP)
