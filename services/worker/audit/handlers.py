"""Every event there is → a record in the audit log."""

from libs.contracts.api import (
    OrderCancelled,
    OrderChanged,
    OrderConfirmed,
    OrderDeleted,
    OrderPlaced,
    ServiceChanged,
)
from libs.contracts.auth import (
    EmailVerified,
    MessageRequested,
    PasswordChanged,
    RefreshTokenReused,
    SessionEnded,
    SessionStarted,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from libs.contracts.worker import OrderAssessed
from libs.events.event import Event
from libs.events.handling import AnyHandler, Handler, received
from services.worker.audit.service import Audit

EVENTS: tuple[type[Event], ...] = (
    UserCreated,
    UserUpdated,
    UserDeleted,
    EmailVerified,
    PasswordChanged,
    MessageRequested,
    SessionStarted,
    SessionEnded,
    RefreshTokenReused,
    OrderPlaced,
    OrderChanged,
    OrderAssessed,
    OrderConfirmed,
    OrderCancelled,
    OrderDeleted,
    ServiceChanged,
)


def everything(service: Audit) -> tuple[AnyHandler, ...]:
    """Note each event as it came, in the inbox's transaction."""

    async def note(_: Event, __: None) -> None:
        await service.record(received())

    return tuple(Handler(name="audit", event=event, handle=note) for event in EVENTS)
