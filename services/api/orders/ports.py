"""What the use cases are given."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.db.idempotency import Answer, Scope
from libs.events.event import Event
from services.api.orders.repository import (
    Assessment,
    Confirmed,
    CustomerDetails,
    Order,
    OrderFilter,
    Position,
)

Work = Callable[[], AbstractAsyncContextManager[object]]
"""Opens a unit of work on the module's database."""

Publish = Callable[[Event], Awaitable[object]]
"""Adds an event to the open unit of work."""


class Placement(Protocol):
    """See `placement.Placement`."""

    async def place(
        self,
        order: Order,
        customer: CustomerDetails,
        event: Event,
        answer: Answer,
        *,
        scope: Scope,
        asked: bytes,
    ) -> Answer: ...


class OrderStore(Protocol):
    """See `repository.OrderRepository`."""

    async def find(self, order_id: UUID) -> Order | None: ...
    async def find_for_update(self, order_id: UUID) -> Order | None: ...
    async def page(
        self, wanted: OrderFilter, *, after: Position | None, limit: int
    ) -> Sequence[Order]: ...
    async def update(self, order: Order) -> str: ...
    async def replace_lines(self, order: Order) -> None: ...
    async def delete(self, order: Order) -> None: ...
    async def confirm(
        self, order_id: UUID, version: int, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None: ...


class Keys(Protocol):
    """See `libs.db.idempotency.IdempotencyKeys`."""

    async def once(
        self, scope: Scope | None, fingerprint: bytes, perform: Callable[[], Awaitable[Answer]]
    ) -> Answer: ...
    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None: ...
