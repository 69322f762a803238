"""`OrderPlaced` → `OrderAssessed`."""

from typing import Protocol
from uuid import UUID

from libs.contracts.api import OrderPlaced
from libs.contracts.worker import OrderAssessed
from libs.events.event import Event
from libs.events.handling import Handler
from libs.logging import get_logger
from services.worker.assessments.service import Assessments

log = get_logger()


class Events(Protocol):
    """Where events are left; see `libs.events.outbox.Outbox`."""

    async def add(self, event: Event) -> UUID: ...


def order_placed(service: Assessments, outbox: Events) -> Handler[OrderPlaced, OrderAssessed]:
    """Assess the order, outside any transaction; then tell of it, in the inbox's."""

    async def tell(_: OrderPlaced, assessed: OrderAssessed) -> None:
        await outbox.add(assessed)
        log.info(
            "order.assessed",
            orderId=str(assessed.order_id),
            dueOn=assessed.due_on.isoformat(),
            stale=assessed.stale,
        )

    return Handler(name="assessments", event=OrderPlaced, prepare=service.assess, handle=tell)
