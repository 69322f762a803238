"""`OrderPlaced`, `OrderChanged` → `OrderAssessed`."""

from typing import Protocol
from uuid import UUID

from libs.contracts.api import OrderChanged, OrderPlaced
from libs.contracts.worker import OrderAssessed
from libs.events.event import Event
from libs.events.handling import AnyHandler, Handler
from libs.logging import get_logger
from services.worker.assessments.service import Assessments

log = get_logger()

NAME = "assessments"
PENDING = "PENDING"
"""The status of an order that waits for an assessment."""


class Events(Protocol):
    """Where events are left; see `libs.events.outbox.Outbox`."""

    async def add(self, event: Event) -> UUID: ...


def handlers(service: Assessments, outbox: Events) -> list[AnyHandler]:
    """Assess the order, outside any transaction; then tell of it, in the inbox's.

    What is assessed is one version of an order. If it is changed meanwhile, `api` ignores the
    answer, and waits for the one to the change.
    """

    async def assess_changed(order: OrderChanged) -> OrderAssessed | None:
        return await service.assess(order) if order.status == PENDING else None

    async def tell(_: OrderPlaced, assessed: OrderAssessed | None) -> None:
        if assessed is None:
            return
        await outbox.add(assessed)
        log.info(
            "order.assessed",
            orderId=str(assessed.order_id),
            orderVersion=assessed.order_version,
            dueOn=assessed.due_on.isoformat(),
            stale=assessed.stale,
        )

    return [
        Handler(name=NAME, event=OrderPlaced, prepare=service.assess, handle=tell),
        Handler(name=NAME, event=OrderChanged, prepare=assess_changed, handle=tell),
    ]
