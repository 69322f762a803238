"""What the module `integrations` offers to the others."""

from datetime import date

from libs.contracts.tokens import Tokens
from libs.errors import Unauthenticated, Unavailable
from libs.http.client import HttpClient
from libs.schema import Country, Currency, Rate, Schema


class ExchangeRate(Schema):
    """A reference rate.

    Attributes:
        base: one unit of this currency ...
        quote: ... is worth `rate` units of this one.
        as_of: the day that the rate is of.
        stale: whether it comes from a stored answer or the shipped snapshot, because the third
            party could not be asked.
        source: who says so.
    """

    base: Currency
    quote: Currency
    rate: Rate
    as_of: date
    stale: bool
    source: str


class Holiday(Schema):
    """A public holiday."""

    date: date
    name: str


class Holidays(Schema):
    """The nationwide public holidays of a country in a year, in order."""

    country: Country
    year: int
    holidays: tuple[Holiday, ...]
    stale: bool
    source: str


class IntegrationsClient:
    """Calls the module `integrations`.

    Each method raises NotFound for what the third party does not know, Unavailable when there is
    no answer, DeadlineExceeded when it comes too late.
    """

    def __init__(self, http: HttpClient, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens

    async def exchange_rate(self, *, base: str, quote: str) -> ExchangeRate:
        """The newest reference rate between two currencies (ISO 4217)."""
        body = await self._get("/v1/exchange-rates", {"base": base, "quote": quote})
        return ExchangeRate.model_validate_json(body)

    async def holidays(self, *, country: str, year: int) -> Holidays:
        """The public holidays of a country (ISO 3166-1 alpha-2) in a year."""
        body = await self._get("/v1/holidays", {"country": country, "year": year})
        return Holidays.model_validate_json(body)

    async def _get(self, path: str, params: dict[str, str | int]) -> bytes:
        try:
            return await self._ask(path, params)
        except Unauthenticated:  # the token's key may have been replaced since it was issued
            self._tokens.forget()
            return await self._ask(path, params)

    async def _ask(self, path: str, params: dict[str, str | int]) -> bytes:
        headers = {"Authorization": f"Bearer {await self._tokens.get()}"}
        response = await self._http.request("GET", path, route=path, params=params, headers=headers)
        if response.status_code != 200:  # not our module: a proxy, or another address than thought
            raise Unavailable(f"integrations answered {response.status_code}")
        return response.content
