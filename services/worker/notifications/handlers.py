"""`OrderConfirmed` → a notification."""

from libs.contracts.api import OrderConfirmed
from libs.events.handling import Handler
from services.worker.notifications.service import Notifications


def order_confirmed(service: Notifications) -> Handler[OrderConfirmed, None]:
    """Store a notification, in the inbox's transaction."""

    async def notify(event: OrderConfirmed, _: None) -> None:
        await service.order_confirmed(event)

    return Handler(name="notifications", event=OrderConfirmed, handle=notify)
