"""Stand-ins for what the use cases are given, without a server."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.auth.principal import Principal
from libs.db.idempotency import Answer, KeyReused, Scope
from libs.errors import Unavailable
from libs.events.event import Event
from libs.ids import uuid7
from services.api.catalog.documents import Service
from services.api.catalog.repository import Position
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

    async def add(self, order: Order, customer: CustomerDetails) -> None:
        self.rows[order.id] = order
        self.customers.setdefault(customer.id, customer)

    async def find(self, order_id: UUID) -> Order | None:
        return self.rows.get(order_id)

    async def page(
        self, wanted: OrderFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Order]:
        found = sorted(self.rows.values(), key=lambda o: (o.placed_at, o.id), reverse=True)
        return [
            order
            for order in found
            if wanted.customer_id in (None, order.customer_id)
            and wanted.status in (None, order.status)
            and (after is None or (order.placed_at, order.id) < after)
        ][:limit]

    async def confirm(
        self, order_id: UUID, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None:
        order = self.rows.get(order_id)
        if order is None or order.status != "PENDING":
            return None
        self.rows[order_id] = order._replace(
            status="CONFIRMED", assessment=assessment, updated_at=at, version=order.version + 1
        )
        return Confirmed(order.customer_id, order.currency, order.total)


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

    async def claim(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        return await self.find(scope, fingerprint)

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None:
        if scope not in self.rows:
            return None
        known, answer = self.rows[scope]
        if known != fingerprint:
            raise KeyReused
        return replace(answer, replayed=True)

    async def complete(self, scope: Scope, fingerprint: bytes, answer: Answer) -> None:
        self.rows[scope] = (fingerprint, answer)


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


class FakeServices:
    """Services in a list; counts how often it is read."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self.rows = {service.id: service for service in services}
        self.reads = 0

    async def find(self, service_id: UUID) -> Service | None:
        self.reads += 1
        return self.rows.get(service_id)

    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> Sequence[Service]:
        self.reads += 1
        found = sorted(self.rows.values(), key=lambda s: (s.name, s.id))
        return [
            service
            for service in found
            if all(getattr(service, name) == value for name, value in filters.items())
            and (after is None or (service.name, service.id) > after)
        ][:limit]

    async def add_missing(self, services: Iterable[Service]) -> list[UUID]:
        new = [service for service in services if service.id not in self.rows]
        self.rows |= {service.id: service for service in new}
        return [service.id for service in new]


def offer(amount: str = "12.50", currency: str = "EUR", *, active: bool = True) -> Offer:
    return Offer(name="Engineering day", price=Decimal(amount), currency=currency, active=active)
