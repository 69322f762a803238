"""The third party for public holidays: Nager.Date. GET /api/v3/PublicHolidays/2026/DE answers

[{"date": "2026-01-01", "localName": "Neujahr", "name": "New Year's Day", "countryCode": "DE",
  "global": true, "counties": null, "types": ["Public"], …}, …]
"""

from datetime import date

from pydantic import Field, TypeAdapter

from libs.contracts.integrations import Holiday, Holidays
from libs.http.client import HttpClient
from services.integrations.third_parties import Foreign, read

_ROUTE = "/api/v3/PublicHolidays/{year}/{country}"


class _Entry(Foreign):
    date: date
    name: str
    nationwide: bool = Field(alias="global")
    types: tuple[str, ...]


_SHAPE = TypeAdapter(list[_Entry])


class NagerDate:
    """Asks Nager.Date, or whatever has its API."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def holidays(self, country: str, year: int) -> Holidays | None:
        """The public holidays that the whole country has; None if the country is not known there.

        Raises:
            Unavailable: no usable answer.
        """
        path = _ROUTE.format(year=year, country=country)
        response = await self._http.request("GET", path, route=_ROUTE)
        entries = read(response, _SHAPE, client=self._http.name)
        if entries is None:
            return None
        days = {(e.date, e.name) for e in entries if e.nationwide and "Public" in e.types}
        return Holidays(
            country=country,
            year=year,
            holidays=tuple(Holiday(date=day, name=name) for day, name in sorted(days)),
            stale=False,
            source=self._http.name,
        )
