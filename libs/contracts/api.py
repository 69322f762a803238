"""What the module `api` tells the others."""

from typing import ClassVar
from uuid import UUID

from libs.events.event import Event
from libs.schema import Country, Money, Timestamp


class _OrderEvent(Event):
    topic: ClassVar[str] = "orders"

    order_id: UUID
    customer_id: UUID

    def key(self) -> str:
        return str(self.order_id)


class OrderPlaced(_OrderEvent):
    """A customer placed an order; it waits for its assessment."""

    country: Country
    total: Money
    placed_at: Timestamp


class OrderConfirmed(_OrderEvent):
    """An order was assessed and is binding."""

    total: Money
    reporting_total: Money
