from uuid import UUID

from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.events.event import Event
from libs.ids import uuid7
from services.api.customers.handlers import handlers
from services.api.customers.service import Customers
from tests.unit.api.fakes import FakeCustomers

ADA = uuid7()
ROLES = ("customer",)
CREATED = UserCreated(user_id=ADA, revision=1, display_name="Ada", country="GB", roles=ROLES)
MARRIED = UserUpdated(user_id=ADA, revision=2, display_name="Ada K", country="GB", roles=ROLES)
DELETED = UserDeleted(user_id=ADA, revision=3)


async def _after(*events: Event) -> dict[UUID, tuple[str | None, int]]:
    store = FakeCustomers()
    by_type = {handler.event: handler for handler in handlers(Customers(store))}
    for event in events:
        await by_type[type(event)].handle(event, None)
    return store.rows


async def test_events_are_taken_over() -> None:
    assert await _after(CREATED) == {ADA: ("Ada, GB", 1)}
    assert await _after(CREATED, MARRIED) == {ADA: ("Ada K, GB", 2)}
    assert await _after(CREATED, MARRIED, DELETED) == {ADA: (None, 3)}


async def test_what_comes_late_undoes_nothing() -> None:
    assert await _after(MARRIED, CREATED) == {ADA: ("Ada K, GB", 2)}
    assert await _after(DELETED, MARRIED, CREATED) == {ADA: (None, 3)}
