"""What users are told."""

from structlog.testing import capture_logs

from libs.events.event import Event
from services.worker.notifications.channels import MemoryChannel
from services.worker.notifications.handlers import handlers
from services.worker.notifications.models import Kind, Status
from services.worker.notifications.service import Messages, Notifications
from tests.unit.worker.fakes import FakeMessages, FakeStore, order_cancelled, order_confirmed


async def _tell(store: FakeStore, event: Event) -> None:
    messages = Messages(FakeMessages(), MemoryChannel(), store)
    [handler] = [h for h in handlers(Notifications(store), messages) if h.event is type(event)]
    await handler.handle(event, None)


async def test_a_confirmed_order_is_told_to_its_customer() -> None:
    store = FakeStore()
    event = order_confirmed()
    with capture_logs() as lines:
        await _tell(store, event)
    assert store.added == [
        (
            event.customer_id,
            Kind.ORDER_CONFIRMED,
            "Your order is confirmed",
            f"Your order {event.order_id} of 12.50 EUR is confirmed.",
            Status.STORED,
        )
    ]
    (line,) = lines
    assert line["event"] == "notification.stored"
    assert line.keys() == {"event", "log_level", "notificationId", "kind"}  # nothing personal


async def test_a_cancelled_order_is_told_to_its_customer() -> None:
    store = FakeStore()
    event = order_cancelled()
    await _tell(store, event)
    assert store.added == [
        (
            event.customer_id,
            Kind.ORDER_CANCELLED,
            "Your order is cancelled",
            f"Your order {event.order_id} of 12.50 EUR is cancelled.",
            Status.STORED,
        )
    ]
