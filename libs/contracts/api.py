"""What the module `api` tells the others."""

from typing import ClassVar, Literal
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
    order_version: int = 1
    """Not said by the events of when orders could not be changed: all were of this one."""


class OrderChanged(OrderPlaced):
    """An order's note or lines are other ones. If it is pending, it waits for a new assessment."""

    status: str


class OrderConfirmed(_OrderEvent):
    """An order was assessed and is binding."""

    total: Money
    reporting_total: Money


class OrderCancelled(_OrderEvent):
    """An order was called off, by its customer or an administrator."""

    total: Money
    cancelled_at: Timestamp


class OrderDeleted(_OrderEvent):
    """An administrator deleted an order (softly)."""


ServiceChange = Literal["created", "updated", "deleted"]


class ServiceChanged(Event):
    """A service of the catalogue was created, changed or deleted.

    Attributes:
        revision: the service's version after that; a later event of the service has a higher one.
    """

    topic: ClassVar[str] = "services"

    service_id: UUID
    slug: str
    change: ServiceChange
    revision: int

    def key(self) -> str:
        return str(self.service_id)
