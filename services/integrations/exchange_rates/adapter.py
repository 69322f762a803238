"""The third party for exchange rates: Frankfurter, which passes on the reference rates of the
European Central Bank. GET /v1/latest?base=EUR&symbols=USD answers

{"amount": 1.0, "base": "EUR", "date": "2026-11-20", "rates": {"USD": 1.0868}}
"""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field, TypeAdapter

from libs.contracts.integrations import ExchangeRate
from libs.http.client import HttpClient
from services.integrations.third_parties import Foreign, read, useless

_PATH = "/v1/latest"


class _Latest(Foreign):
    amount: Decimal
    base: str
    date: date
    rates: dict[str, Annotated[Decimal, Field(gt=0)]]


_SHAPE = TypeAdapter(_Latest)


class Frankfurter:
    """Asks Frankfurter, or whatever has its API."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def latest(self, base: str, quote: str) -> ExchangeRate | None:
        """The newest rate; None if one of the currencies is not known there.

        Raises:
            Unavailable: no usable answer.
        """
        params = {"base": base, "symbols": quote}
        response = await self._http.request("GET", _PATH, route=_PATH, params=params)
        latest = read(response, _SHAPE, client=self._http.name)
        if latest is None:
            return None
        if latest.base != base or latest.amount != 1 or quote not in latest.rates:
            raise useless(self._http.name, "another question's answer")
        return ExchangeRate(
            base=base,
            quote=quote,
            rate=latest.rates[quote],
            as_of=latest.date,
            stale=False,
            source=self._http.name,
        )
