"""What the module `worker` tells the others."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from libs.events.event import Event
from libs.schema import Money, Rate


class OrderAssessed(Event):
    """What an order is worth in the reporting currency, and when it is due."""

    topic: ClassVar[str] = "assessments"

    order_id: UUID
    order_version: int = 1
    """The state of the order that was assessed; see `OrderPlaced.order_version`."""
    reporting_total: Money
    rate: Rate
    """Units of the reporting currency for one unit of the order's."""
    rate_as_of: date
    stale: bool
    """Whether one of the third-party answers was not fresh."""
    due_on: date
    """The next business day in the customer's country."""

    def key(self) -> str:
        return str(self.order_id)
