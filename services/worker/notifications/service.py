"""Telling users what became of their orders, and sending them the messages of `auth`."""

from typing import Protocol
from uuid import UUID

from libs.contracts.api import OrderCancelled, OrderConfirmed
from libs.contracts.auth import Message, MessageRequested
from libs.logging import get_logger
from libs.schema import Money
from services.worker.notifications.channels import Channel, Mail
from services.worker.notifications.models import Kind, Status

log = get_logger()


class Store(Protocol):
    """See `repository.NotificationRepository`."""

    async def add(
        self,
        *,
        user_id: UUID,
        kind: Kind,
        subject: str,
        body: str = "",
        status: Status = Status.STORED,
    ) -> UUID: ...


class Notifications:
    """Writes notifications about orders, and stores them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def order_confirmed(self, order: OrderConfirmed) -> None:
        """Tell the customer, in the open unit of work."""
        await self._tell(order, Kind.ORDER_CONFIRMED, "confirmed")

    async def order_cancelled(self, order: OrderCancelled) -> None:
        """Tell the customer, in the open unit of work."""
        await self._tell(order, Kind.ORDER_CANCELLED, "cancelled")

    async def _tell(self, order: OrderConfirmed | OrderCancelled, kind: Kind, become: str) -> None:
        notification_id = await self._store.add(
            user_id=order.customer_id,
            kind=kind,
            subject=f"Your order is {become}",
            body=f"Your order {order.order_id} of {_written(order.total)} is {become}.",
        )
        log.info("notification.stored", notificationId=str(notification_id), kind=kind)


class MessageSource(Protocol):
    """See `libs.contracts.auth.MessageClient`."""

    async def compose(self, message_id: UUID) -> Message | None: ...


class Messages:
    """Sends what `auth` wants users to be told, and notes that it was sent.

    Args:
        source: has the messages.
        channel: how they get to users.
        store: where it is noted: neither address nor text, which may hold a token.
    """

    def __init__(self, source: MessageSource, channel: Channel, store: Store) -> None:
        self._source = source
        self._channel = channel
        self._store = store

    async def send(self, requested: MessageRequested) -> Message | None:
        """Send the message; None: there is nobody to send it to, or not any more.

        At least once: who is interrupted before `note` is committed sends it again, with another
        token. The one before is void.

        Raises:
            InvalidInput: it cannot be sent, now or ever.
            Unavailable: `auth`, or the channel, does not answer.
        """
        if requested.user_id is None:
            return None
        message = await self._source.compose(requested.message_id)
        if message is None:
            log.info("message.dropped", messageId=str(requested.message_id), kind=requested.kind)
            return None
        mail = Mail(requested.message_id, message.to, message.subject, message.text)
        await self._channel.send(mail)
        return message

    async def note(self, requested: MessageRequested, message: Message | None) -> None:
        """Note, in the open unit of work, what was sent."""
        if message is None or requested.user_id is None:
            return
        notification_id = await self._store.add(
            user_id=requested.user_id,
            kind=Kind(message.kind.value),
            subject=message.subject,
            status=Status.SENT,
        )
        log.info(
            "message.sent",
            messageId=str(requested.message_id),
            notificationId=str(notification_id),
            kind=message.kind.value,
            channel=self._channel.name,
        )


def _written(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"
