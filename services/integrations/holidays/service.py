"""Public holidays."""

from libs.contracts.integrations import Holidays
from services.integrations.answers import Answers
from services.integrations.holidays.adapter import NagerDate
from services.integrations.holidays.errors import UnknownCountry
from services.integrations.holidays.snapshot import HolidaysSnapshot


class PublicHolidays:
    """Answers with the best list there is; `Answers` says in which order it is looked for."""

    def __init__(
        self, *, answers: Answers[Holidays], third_party: NagerDate, snapshot: HolidaysSnapshot
    ) -> None:
        self._answers = answers
        self._third_party = third_party
        self._snapshot = snapshot

    async def of(self, country: str, year: int) -> bytes:
        """A `Holidays`, as JSON.

        Raises:
            UnknownCountry: the country is not known.
            Unavailable: nobody can be asked about it, or about the year, at present.
        """
        found = await self._answers.get(
            f"{country}:{year}",
            ask=lambda: self._third_party.holidays(country, year),
            shipped=lambda: self._snapshot.holidays(country, year),
        )
        if found is None:
            raise UnknownCountry(f"The public holidays of {country} are not known")
        return found
