"""What tokens cost where someone has said so: the prices in the settings, which win over every price list.

They are kept in memory, since each call asks for them. The settings are the truth: their actor changes these right
after its commit and before it replies, and both are read from the store at start.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from opencognit.domain.run import TokenUsage
from opencognit.domain.wire_names import PRICE_FIELDS

MILLION = 1_000_000

Price = Annotated[float, msgspec.Meta(ge=0, le=10**9)]
"""Cents for a million tokens."""

# Providers answer with the dated name of a model (`claude-haiku-4-5-20251001`) that people name without.
_DATE = re.compile(r"[-@](\d{8}|\d{4}-\d\d-\d\d)$")


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True, rename=PRICE_FIELDS, forbid_unknown_fields=True):
    """What a model costs. Nothing is free unless `free` says so."""

    input: Price | None = None
    output: Price | None = None
    cache_read: Price | None = None
    """Left out: as `input`."""
    cache_write: Price | None = None
    """Left out: as `input`."""
    free: bool = False

    def __post_init__(self) -> None:
        prices = (self.input, self.output, self.cache_read, self.cache_write)
        if self.free:
            if any(prices):
                problem = f"what is `{PRICE_FIELDS['free']}` has no price"
                raise ValueError(problem)
        elif self.input is None or self.output is None:
            problem = "needs a price for `input` and for `output`"
            raise ValueError(problem)
        elif 0 in prices:
            problem = f"a price is above 0, unless `{PRICE_FIELDS['free']}` says that the model costs nothing"
            raise ValueError(problem)

    def cents(self, usage: TokenUsage) -> Decimal:
        """The price of these tokens."""
        if self.free:
            return Decimal(0)
        put_in = _exact(self.input)
        return (
            usage.input_tokens * put_in
            + usage.output_tokens * _exact(self.output)
            + usage.cache_read_tokens * (put_in if self.cache_read is None else _exact(self.cache_read))
            + usage.cache_write_tokens * (put_in if self.cache_write is None else _exact(self.cache_write))
        ) / MILLION


ModelPrices = dict[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ModelPrice]
"""Prices by the name of the model."""


class StatedPrices:
    """The prices that the settings state, for the whole server and for each company."""

    def __init__(self) -> None:
        self._models: dict[str | None, Mapping[str, ModelPrice]] = {}
        self._fallbacks: dict[str | None, ModelPrice] = {}

    def set(self, company_id: str | None, *, models: Any, fallback: Any) -> None:
        """Take over what the settings of a company say, or of the server (None); each may be missing."""
        self.forget(company_id)
        if models:
            self._models[company_id] = msgspec.convert(models, dict[str, ModelPrice])
        if fallback is not None:
            self._fallbacks[company_id] = msgspec.convert(fallback, ModelPrice)

    def forget(self, company_id: str | None) -> None:
        """A company is no more."""
        self._models.pop(company_id, None)
        self._fallbacks.pop(company_id, None)

    def of_model(self, model: str, company_id: str | None) -> ModelPrice | None:
        """The price of a model, the company's own before the server's, the exact name before the one without date."""
        for prices in (self._models.get(company_id), self._models.get(None)):
            if prices is not None and (price := prices.get(model) or prices.get(_DATE.sub("", model))) is not None:
                return price
        return None

    def fallback(self, company_id: str | None) -> ModelPrice | None:
        """The price of a model that nobody knows a price of."""
        return self._fallbacks.get(company_id) or self._fallbacks.get(None)


def _exact(price: float | None) -> Decimal:
    return Decimal(str(price or 0))
