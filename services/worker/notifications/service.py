"""Telling users what became of their orders."""

from typing import Protocol
from uuid import UUID

from libs.contracts.api import OrderConfirmed
from libs.logging import get_logger
from libs.schema import Money
from services.worker.notifications.models import Kind

log = get_logger()


class Store(Protocol):
    """See `repository.NotificationRepository`."""

    async def add(self, *, user_id: UUID, kind: Kind, subject: str, body: str) -> UUID: ...


class Notifications:
    """Writes notifications and stores them. Nothing sends them yet."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def order_confirmed(self, order: OrderConfirmed) -> None:
        """Tell the customer, in the open unit of work."""
        notification_id = await self._store.add(
            user_id=order.customer_id,
            kind=Kind.ORDER_CONFIRMED,
            subject="Your order is confirmed",
            body=f"Your order {order.order_id} of {_written(order.total)} is confirmed.",
        )
        log.info(
            "notification.stored", notificationId=str(notification_id), kind=Kind.ORDER_CONFIRMED
        )


def _written(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"
