"""The reference rates that this program ships with, of one day; see `data/README.md`."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.integrations import ExchangeRate
from services.integrations import data

_CROSS = Context(prec=8, rounding=ROUND_HALF_EVEN)
"""The digits of a rate that is computed from two: more than the six that the source has."""


class RatesSnapshot(BaseModel):
    """Units of each currency for one unit of the base."""

    model_config = ConfigDict(frozen=True)

    source: str
    as_of: date = Field(alias="asOf")
    base: str
    rates: dict[str, Decimal]

    @classmethod
    def shipped(cls) -> Self:
        """The one in the module's folder."""
        return cls.model_validate_json((files(data) / "exchange_rates.json").read_bytes())

    def rate(self, base: str, quote: str) -> ExchangeRate | None:
        """The rate between two currencies, by way of the snapshot's own base; None: not known.

        From the snapshot's base to another currency it is the source's figure unaltered; any other
        is rounded to eight significant digits.
        """
        known = {**self.rates, self.base: Decimal(1)}
        if base not in known or quote not in known:
            return None
        one = known[base]
        rate = known[quote] if one == 1 else _CROSS.divide(known[quote], one)
        return ExchangeRate(
            base=base, quote=quote, rate=rate, as_of=self.as_of, stale=True, source=self.source
        )
