"""Stand-ins for what the use cases are given, without a server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from libs.auth.principal import Principal
from libs.db.idempotency import Answer, KeyReused, Scope
from libs.errors import PreconditionFailed, Unavailable
from libs.events.event import Event
from libs.ids import uuid7
from services.api.catalog.service import Offer
from services.api.orders.repository import (
    Assessment,
    Confirmed,
    CustomerDetails,
    Order,
    OrderFilter,
)


def principal(*, subject: str | None = None, roles: tuple[str, ...] = ("customer",)) -> Principal:
    return Principal(
        subject=subject or str(uuid7()), roles=roles, name="Ada", country="DE", revision=1
    )


class Work:
    """A unit of work that only tells whether it is open, and how often it was committed."""

    def __init__(self) -> None:
        self.open = False
        self.commits = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        self.open = True
        try:
            yield
            self.commits += 1
        finally:
            self.open = False


class FakeOrders:
    """Orders in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Order] = {}
        self.customers: dict[UUID, CustomerDetails] = {}

    async def find(self, order_id: UUID) -> Order | None:
        return self.rows.get(order_id)

    async def find_for_update(self, order_id: UUID) -> Order | None:
        return await self.find(order_id)

    async def page(
        self, wanted: OrderFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Order]:
        found = sorted(self.rows.values(), key=lambda o: (o.placed_at, o.id), reverse=True)
        return [
            order
            for order in found
            if wanted.customer_id in (None, order.customer_id)
            and wanted.status in (None, order.status)
            and (wanted.placed_after is None or order.placed_at > wanted.placed_after)
            and (wanted.placed_before is None or order.placed_at < wanted.placed_before)
            and (after is None or (order.placed_at, order.id) < after)
        ][:limit]

    async def update(self, order: Order) -> str:
        now = self.rows[order.id]
        if order.version != now.version + 1:
            raise PreconditionFailed
        self.rows[order.id] = order._replace(lines=now.lines, assessment=now.assessment)
        return self.customers[order.customer_id].country

    async def replace_lines(self, order: Order) -> None:
        self.rows[order.id] = self.rows[order.id]._replace(lines=order.lines)

    async def delete(self, order: Order) -> None:
        if order.version != self.rows[order.id].version + 1:
            raise PreconditionFailed
        del self.rows[order.id]

    async def confirm(
        self, order_id: UUID, version: int, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None:
        order = self.rows.get(order_id)
        if order is None or (order.status, order.version) != ("PENDING", version):
            return None
        self.rows[order_id] = order._replace(
            status="CONFIRMED", assessment=assessment, updated_at=at, version=order.version + 1
        )
        return Confirmed(order.id, order.customer_id, order.currency, order.total)


class FakeOffers:
    """A catalogue that notes whether it was asked inside a unit of work."""

    def __init__(self, work: Work, offers: Mapping[UUID, Offer]) -> None:
        self._work = work
        self.offered = dict(offers)
        self.down = False

    async def offers(self, service_ids: Iterable[UUID]) -> Mapping[UUID, Offer]:
        assert not self._work.open
        if self.down:
            raise Unavailable
        return {key: self.offered[key] for key in service_ids if key in self.offered}


class FakeKeys:
    """Idempotency keys in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[Scope, tuple[bytes, Answer]] = {}

    async def once(
        self, scope: Scope | None, fingerprint: bytes, perform: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        if scope is None:
            return await perform()
        if (stored := await self.find(scope, fingerprint)) is not None:
            return stored
        answer = await perform()
        self.rows[scope] = (fingerprint, answer)
        return answer

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        if scope not in self.rows:
            return None
        known, answer = self.rows[scope]
        if known != fingerprint:
            raise KeyReused
        return replace(answer, replayed=True)


class FakePlacement:
    """Puts a new order where the others are."""

    def __init__(
        self, work: "Work", orders: FakeOrders, keys: FakeKeys, outbox: "FakeOutbox"
    ) -> None:
        self._work = work
        self._orders = orders
        self._keys = keys
        self._outbox = outbox

    async def place(
        self,
        order: Order,
        customer: CustomerDetails,
        event: Event,
        answer: Answer,
        *,
        scope: Scope,
        asked: bytes,
    ) -> Answer:
        async def perform() -> Answer:
            self._orders.rows[order.id] = order
            self._orders.customers.setdefault(customer.id, customer)
            await self._outbox.add(event)
            return answer

        assert not self._work.open
        async with self._work():
            return await self._keys.once(scope, asked, perform)


class FakeOutbox:
    """Events in a list."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.events: list[Event] = []

    async def add(self, event: Event) -> UUID:
        assert self._work.open
        self.events.append(event)
        return uuid7()


class FakeCustomers:
    """Customers in a dictionary: name and country (None: deleted), and revision."""

    def __init__(self) -> None:
        self.rows: dict[UUID, tuple[str | None, int]] = {}

    async def upsert(self, user_id: UUID, *, name: str, country: str, revision: int) -> bool:
        return self._take(user_id, f"{name}, {country}", revision)

    async def delete(self, user_id: UUID, *, revision: int) -> bool:
        return self._take(user_id, None, revision)

    def _take(self, user_id: UUID, name: str | None, revision: int) -> bool:
        if user_id in self.rows and self.rows[user_id][1] >= revision:
            return False
        self.rows[user_id] = (name, revision)
        return True


def offer(amount: str = "12.50", currency: str = "EUR", *, active: bool = True) -> Offer:
    return Offer(name="Engineering day", price=Decimal(amount), currency=currency, active=active)
