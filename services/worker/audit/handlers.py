"""Every event there is → a record in the audit log."""

from libs.contracts.api import OrderConfirmed, OrderPlaced
from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.contracts.worker import OrderAssessed
from libs.events.event import Event
from libs.events.handling import AnyHandler, Handler, received
from services.worker.audit.service import Audit

EVENTS: tuple[type[Event], ...] = (
    UserCreated,
    UserUpdated,
    UserDeleted,
    OrderPlaced,
    OrderAssessed,
    OrderConfirmed,
)


def everything(service: Audit) -> tuple[AnyHandler, ...]:
    """Note each event as it came, in the inbox's transaction."""

    async def note(_: Event, __: None) -> None:
        await service.record(received())

    return tuple(Handler(name="audit", event=event, handle=note) for event in EVENTS)
