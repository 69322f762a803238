"""What users are told."""

from uuid import UUID

from structlog.testing import capture_logs

from libs.ids import uuid7
from services.worker.notifications.handlers import order_confirmed as order_confirmed_handler
from services.worker.notifications.models import Kind
from services.worker.notifications.service import Notifications
from tests.unit.worker.fakes import order_confirmed


class FakeStore:
    def __init__(self) -> None:
        self.added: list[tuple[UUID, Kind, str, str]] = []

    async def add(self, *, user_id: UUID, kind: Kind, subject: str, body: str) -> UUID:
        self.added.append((user_id, kind, subject, body))
        return uuid7()


async def test_a_confirmed_order_is_told_to_its_customer() -> None:
    store = FakeStore()
    event = order_confirmed()
    with capture_logs() as lines:
        await order_confirmed_handler(Notifications(store)).handle(event, None)
    assert store.added == [
        (
            event.customer_id,
            Kind.ORDER_CONFIRMED,
            "Your order is confirmed",
            f"Your order {event.order_id} of 12.50 EUR is confirmed.",
        )
    ]
    (line,) = lines
    assert line["event"] == "notification.stored"
    assert line.keys() == {"event", "log_level", "notificationId", "kind"}  # nothing personal
