"""The public holidays that this program ships with, of some years; see `data/README.md`."""

from datetime import date
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict

from libs.contracts.integrations import Holiday, Holidays
from services.integrations import data


class HolidaysSnapshot(BaseModel):
    """The names of the holidays, by country and date."""

    model_config = ConfigDict(frozen=True)

    source: str
    countries: dict[str, dict[date, str]]

    @classmethod
    def shipped(cls) -> Self:
        """The one in the module's folder."""
        return cls.model_validate_json((files(data) / "holidays.json").read_bytes())

    def holidays(self, country: str, year: int) -> Holidays | None:
        """The holidays of a country in a year; None: not known."""
        named = self.countries.get(country, {})
        days = sorted(day for day in named if day.year == year)
        if not days:
            return None
        return Holidays(
            country=country,
            year=year,
            holidays=tuple(Holiday(date=day, name=named[day]) for day in days),
            stale=True,
            source=self.source,
        )
