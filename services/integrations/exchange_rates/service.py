"""Reference rates between currencies."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from libs.contracts.integrations import ExchangeRate
from services.integrations.answers import Answers
from services.integrations.exchange_rates.adapter import Frankfurter
from services.integrations.exchange_rates.errors import UnknownCurrency
from services.integrations.exchange_rates.snapshot import RatesSnapshot


def utc_today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


class ExchangeRates:
    """Answers with the best rate there is; `Answers` says in which order it is looked for."""

    def __init__(
        self,
        *,
        answers: Answers[ExchangeRate],
        third_party: Frankfurter,
        snapshot: RatesSnapshot,
        today: Callable[[], date] = utc_today,
    ) -> None:
        self._answers = answers
        self._third_party = third_party
        self._snapshot = snapshot
        self._today = today

    async def rate(self, base: str, quote: str) -> bytes:
        """An `ExchangeRate`, as JSON.

        Raises:
            UnknownCurrency: there is no rate for one of the two.
            Unavailable: nobody can be asked about them at present.
        """
        if base == quote:
            return self._same(base).to_json()
        found = await self._answers.get(
            f"{base}:{quote}",
            ask=lambda: self._third_party.latest(base, quote),
            shipped=lambda: self._snapshot.rate(base, quote),
        )
        if found is None:
            raise UnknownCurrency(f"There is no reference rate from {base} to {quote}")
        return found

    def _same(self, currency: str) -> ExchangeRate:
        return ExchangeRate(
            base=currency,
            quote=currency,
            rate=Decimal(1),
            as_of=self._today(),
            stale=False,
            source="identity",
        )
