"""`OrderConfirmed`, `OrderCancelled` → a notification, in the inbox's transaction;
`MessageRequested` → a message is sent, outside it, and noted in it.
"""

from libs.contracts.api import OrderCancelled, OrderConfirmed
from libs.contracts.auth import MessageRequested
from libs.events.handling import AnyHandler, Handler
from services.worker.notifications.service import Messages, Notifications

NAME = "notifications"


def handlers(service: Notifications, messages: Messages) -> list[AnyHandler]:
    """The handlers of this domain."""

    async def confirmed(event: OrderConfirmed, _: None) -> None:
        await service.order_confirmed(event)

    async def cancelled(event: OrderCancelled, _: None) -> None:
        await service.order_cancelled(event)

    return [
        Handler(name=NAME, event=OrderConfirmed, handle=confirmed),
        Handler(name=NAME, event=OrderCancelled, handle=cancelled),
        Handler(name=NAME, event=MessageRequested, prepare=messages.send, handle=messages.note),
    ]
