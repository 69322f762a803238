"""What an order is worth in the reporting currency, and when it is due."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, Protocol, TypeVar

from libs.contracts.api import OrderPlaced
from libs.contracts.integrations import ExchangeRate, Holidays
from libs.contracts.worker import OrderAssessed
from libs.errors import NotFound, PermissionDenied, RouteNotFound, Unauthenticated, Unavailable
from libs.logging import get_logger
from libs.schema import Money
from services.worker.assessments.calendar import next_business_day
from services.worker.assessments.errors import UnknownCurrency

log = get_logger()

_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=60)
"""More digits than an amount (18) and a rate have together: a product is never rounded twice."""

T = TypeVar("T")


class Reference(Protocol):
    """What is asked of `integrations`; see `libs.contracts.integrations.IntegrationsClient`."""

    async def exchange_rate(self, *, base: str, quote: str) -> ExchangeRate: ...

    async def holidays(self, *, country: str, year: int) -> Holidays: ...


def convert(total: Money, rate: Decimal, currency: str) -> Money:
    """An amount in another currency: times `rate`, rounded once, to two decimals, half to even.

    Half to even (banker's rounding, IEEE 754-2019, 4.3.1) has no drift: over many orders the
    reported sum is as near to the sum of the exact values as it can be.
    """
    exact = _EXACT.multiply(total.amount, rate)
    return Money(amount=exact.quantize(_CENT, ROUND_HALF_EVEN, _EXACT), currency=currency)


@dataclass(frozen=True, slots=True)
class _Days:
    """The holidays of a country in a year, as far as they are known."""

    holidays: frozenset[date]
    stale: bool


class Assessments:
    """Assesses orders.

    Args:
        reference: gives exchange rates and holidays.
        reporting_currency: of the reported total.
    """

    def __init__(self, reference: Reference, *, reporting_currency: str) -> None:
        self._reference = reference
        self._currency = reporting_currency

    async def assess(self, order: OrderPlaced) -> OrderAssessed:
        """The assessment of an order; asks another module, so never in a transaction.

        Raises:
            UnknownCurrency: there is no rate for the order's currency.
            Unavailable: there is no rate at present. That proves nothing about the order: try
                again.
        """
        rate = await self._rate(order.total.currency)
        due_on, stale_days = await self._due_on(order)
        return OrderAssessed(
            order_id=order.order_id,
            order_version=order.order_version,
            reporting_total=convert(order.total, rate.rate, self._currency),
            rate=rate.rate,
            rate_as_of=rate.as_of,
            stale=rate.stale or stale_days,
            due_on=due_on,
        )

    async def _rate(self, currency: str) -> ExchangeRate:
        question = self._reference.exchange_rate(base=currency, quote=self._currency)
        try:
            return await _answered(question)
        except NotFound as error:
            raise UnknownCurrency(f"no rate from {currency} to {self._currency}") from error

    async def _due_on(self, order: OrderPlaced) -> tuple[date, bool]:
        """The business day after the day (in UTC) on which the order was placed.

        The holidays of the next year are asked for only when the day lies in it.
        """
        placed_on = order.placed_at.astimezone(UTC).date()
        days = await self._days(order.country, placed_on.year)
        due_on = next_business_day(placed_on, days.holidays)
        if due_on.year == placed_on.year:
            return due_on, days.stale
        more = await self._days(order.country, due_on.year)
        due_on = next_business_day(placed_on, days.holidays | more.holidays)
        return due_on, days.stale or more.stale

    async def _days(self, country: str, year: int) -> _Days:
        """The holidays; none, if they are not known.

        An order does not wait for them. That the rate has been answered shows that `integrations`
        is there, so whoever is missing is the third party, for a country or year that the snapshot
        does not have either, and that may last. The assessment is then marked as stale.
        """
        try:
            answer = await _answered(self._reference.holidays(country=country, year=year))
        except NotFound:
            log.warning("assessment.country_unknown", country=country)
            return _Days(frozenset(), stale=False)
        except Unavailable as error:
            log.warning("assessment.holidays_missing", country=country, year=year, error=error.code)
            return _Days(frozenset(), stale=True)
        return _Days(frozenset(h.date for h in answer.holidays), answer.stale)


async def _answered(question: Awaitable[T]) -> T:
    """The answer, with refusals that say something about us, and nothing about the order, apart.

    Raises:
        NotFound: the thing that was asked for is not known.
        Unavailable: no answer, or none for us: the account is not accepted, the address is wrong.
    """
    try:
        return await question
    except (Unauthenticated, PermissionDenied, RouteNotFound) as error:
        raise Unavailable(f"integrations refuses the worker: {error.code}") from error
