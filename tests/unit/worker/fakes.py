"""Orders to assess, and an `integrations` that answers what a test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from libs.context import transaction_open
from libs.contracts.api import (
    OrderCancelled,
    OrderChanged,
    OrderConfirmed,
    OrderDeleted,
    OrderPlaced,
)
from libs.contracts.auth import Message, MessageKind, MessageRequested
from libs.contracts.integrations import ExchangeRate, Holiday, Holidays
from libs.errors import AppError, NotFound
from libs.events.event import Event
from libs.ids import uuid7
from libs.schema import Money
from services.worker.notifications.models import Kind, Status

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""A Friday."""


def money(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def order_placed(
    *, total: Money | None = None, country: str = "DE", placed_at: datetime = NOON
) -> OrderPlaced:
    return OrderPlaced(
        order_id=uuid7(),
        customer_id=uuid7(),
        country=country,
        total=total or money("12.50"),
        placed_at=placed_at,
    )


def order_confirmed() -> OrderConfirmed:
    return OrderConfirmed(
        order_id=uuid7(),
        customer_id=uuid7(),
        total=money("12.50"),
        reporting_total=money("13.58", "USD"),
    )


def order_changed(*, status: str = "PENDING", version: int = 2) -> OrderChanged:
    order = order_placed(total=money("25.00")).model_copy(update={"order_version": version})
    return OrderChanged(**dict(order), status=status)


def order_cancelled() -> OrderCancelled:
    return OrderCancelled(
        order_id=uuid7(), customer_id=uuid7(), total=money("12.50"), cancelled_at=NOON
    )


def order_deleted() -> OrderDeleted:
    return OrderDeleted(order_id=uuid7(), customer_id=uuid7())


@dataclass
class FakeReference:
    """Stands in for `integrations`.

    Attributes:
        rates: to the reporting currency, by currency.
        days: the holidays, by country and year; a country without any is not known.
        stale_rate, stale_days: whether the answers are.
        failing: raised instead of an answer, by what is asked for.
        asked: what was asked for.
    """

    rates: Mapping[str, str] = field(default_factory=lambda: {"EUR": "1.0868", "USD": "1"})
    days: Mapping[tuple[str, int], tuple[date, ...]] = field(
        default_factory=lambda: {("DE", 2026): (), ("DE", 2027): (date(2027, 1, 1),)}
    )
    stale_rate: bool = False
    stale_days: frozenset[int] = frozenset()
    failing: dict[str, AppError] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def exchange_rate(self, *, base: str, quote: str) -> ExchangeRate:
        self._ask("rate", base, quote)
        if base not in self.rates:
            raise NotFound
        return ExchangeRate(
            base=base,
            quote=quote,
            rate=Decimal(self.rates[base]),
            as_of=date(2026, 11, 19),
            stale=self.stale_rate,
            source="fake",
        )

    async def holidays(self, *, country: str, year: int) -> Holidays:
        self._ask("holidays", country, str(year))
        if (country, year) not in self.days:
            raise NotFound
        return Holidays(
            country=country,
            year=year,
            holidays=tuple(Holiday(date=day, name="a day") for day in self.days[country, year]),
            stale=year in self.stale_days,
            source="fake",
        )

    def _ask(self, what: str, *arguments: str) -> None:
        assert not transaction_open.get(), "another module is asked inside a transaction"
        self.asked.append((what, *arguments))
        if what in self.failing:
            raise self.failing[what]


class FakeOutbox:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def add(self, event: Event) -> UUID:
        self.events.append(event)
        return uuid7()


class FakeStore:
    """Keeps the notifications."""

    def __init__(self) -> None:
        self.added: list[tuple[UUID, Kind, str, str, Status]] = []

    async def add(
        self,
        *,
        user_id: UUID,
        kind: Kind,
        subject: str,
        body: str = "",
        status: Status = Status.STORED,
    ) -> UUID:
        self.added.append((user_id, kind, subject, body, status))
        return uuid7()


def message_requested(kind: MessageKind = MessageKind.RESET_PASSWORD) -> MessageRequested:
    return MessageRequested(message_id=uuid7(), user_id=uuid7(), kind=kind)


@dataclass
class FakeMessages:
    """Stands in for `auth`: composes every message, with a token that says how often.

    Attributes:
        gone: the messages that are not to be sent any more.
        failure: raised instead of an answer.
    """

    gone: set[UUID] = field(default_factory=set)
    failure: AppError | None = None
    asked: list[UUID] = field(default_factory=list)

    async def compose(self, message_id: UUID) -> Message | None:
        assert not transaction_open.get(), "another module is asked inside a transaction"
        self.asked.append(message_id)
        if self.failure is not None:
            raise self.failure
        if message_id in self.gone:
            return None
        return Message(
            kind=MessageKind.RESET_PASSWORD,
            to="ada@example.com",
            subject="Choose a new password",
            text=f"token-{len(self.asked)}",
        )
