"""Changing, cancelling and deleting orders."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from libs.auth.principal import Principal
from libs.contracts.api import (
    OrderCancelled,
    OrderChanged,
    OrderConfirmed,
    OrderDeleted,
    OrderPlaced,
)
from libs.db.idempotency import Answer, KeyReused
from libs.errors import PermissionDenied, PreconditionFailed
from libs.schema import Money
from libs.web.conditional import Precondition
from services.api.orders.errors import (
    CurrencyMismatch,
    IllegalStatusChange,
    NotPending,
    OrderNotFound,
    UnknownService,
)
from services.api.orders.models import Status
from services.api.orders.repository import Order
from services.api.orders.schemas import ChangeOrder, OrderQuery, PlaceOrder
from tests.unit.api.fakes import offer, principal
from tests.unit.api.orders import ASSESSMENT, DAY, GONE, MONTH, POUNDS, Setting, answer, patch

FIRST = Precondition(frozenset({'"1"'}))
ANY = Precondition()
ADMIN = principal(roles=("admin",))
SUPPORT = principal(roles=("support",))


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def _cancel(
    setting: Setting, order: Order, who: Principal | None = None, *, key: str | None = None
) -> Answer:
    who = who or setting.ada
    return await setting.orders.cancel(who, order.id, ANY, key=key, answer=answer)


async def test_what_is_not_in_the_patch_stays(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    changed = await setting.orders.change(setting.ada, order.id, patch(note="Ring twice"), FIRST)
    assert changed == order._replace(note="Ring twice", version=2, updated_at=changed.updated_at)
    assert setting.store.rows[order.id] == changed


async def test_null_takes_a_note_away(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    await setting.orders.change(setting.ada, order.id, patch(note="Ring twice"), ANY)
    changed = await setting.orders.change(setting.ada, order.id, patch(note=None), ANY)
    assert (changed.note, changed.version) == (None, 3)


async def test_lines_get_todays_prices(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    setting.catalog.offered[DAY] = offer("13.00")
    changed = await setting.orders.change(setting.ada, order.id, patch((DAY, 2), (MONTH, 1)), FIRST)
    assert [line.amount for line in changed.lines] == [Decimal("26.00"), Decimal("0.10")]
    assert changed.total == Decimal("26.10")
    assert setting.store.rows[order.id] == changed


async def test_a_change_is_told_of(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    await setting.orders.change(setting.ada, order.id, patch((DAY, 2)), FIRST)
    _, event = setting.outbox.events
    assert isinstance(event, OrderChanged)
    assert (event.order_id, event.order_version, event.status) == (order.id, 2, "PENDING")
    assert (event.country, event.placed_at) == ("DE", order.placed_at)
    assert event.total == Money(amount=Decimal("25.00"), currency="EUR")


@pytest.mark.parametrize("fields", [{}, {"note": None}, {"lines": ((DAY, 1),)}])
async def test_what_changes_nothing_is_no_change(setting: Setting, fields: dict[str, Any]) -> None:
    order = await setting.place((DAY, 1))
    nothing = patch(*fields.pop("lines", ()), **fields)
    assert await setting.orders.change(setting.ada, order.id, nothing, FIRST) == order
    assert [type(event) for event in setting.outbox.events] == [OrderPlaced]


async def test_a_change_is_for_the_version_that_it_names(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    await setting.orders.change(setting.ada, order.id, patch(note="one"), FIRST)
    for stale in (patch(note="two"), patch((DAY, 2))):
        with pytest.raises(PreconditionFailed):
            await setting.orders.change(setting.ada, order.id, stale, FIRST)
    assert setting.store.rows[order.id].note == "one"


async def test_lines_that_cannot_be_are_refused(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    with pytest.raises(UnknownService) as unknown:
        await setting.orders.change(setting.ada, order.id, patch((DAY, 1), (GONE, 1)), FIRST)
    assert [error.pointer for error in unknown.value.errors] == ["/lines/1/serviceId"]
    with pytest.raises(CurrencyMismatch):
        await setting.orders.change(setting.ada, order.id, patch((POUNDS, 1)), FIRST)
    assert setting.store.rows[order.id] == order


async def test_the_lines_of_a_confirmed_order_are_fixed_and_its_note_is_not(
    setting: Setting,
) -> None:
    order = await setting.place((DAY, 1))
    await setting.confirm(order)
    with pytest.raises(NotPending):
        await setting.orders.change(setting.ada, order.id, patch((DAY, 2)), ANY)
    changed = await setting.orders.change(setting.ada, order.id, patch(note="Ring twice"), ANY)
    assert (changed.status, changed.version, changed.assessment) == ("CONFIRMED", 3, ASSESSMENT)
    event = setting.outbox.events[-1]
    assert isinstance(event, OrderChanged)
    assert event.status == "CONFIRMED"


async def test_an_assessment_of_what_the_order_was_confirms_nothing(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    changed = await setting.orders.change(setting.ada, order.id, patch((DAY, 2)), FIRST)
    await setting.confirm(order)
    assert setting.store.rows[order.id] == changed
    await setting.confirm(changed)
    assert setting.store.rows[order.id].status == "CONFIRMED"
    types = [type(event) for event in setting.outbox.events]
    assert types == [OrderPlaced, OrderChanged, OrderConfirmed]


@pytest.mark.parametrize("confirmed", [False, True])
async def test_an_order_is_cancelled(setting: Setting, confirmed: bool) -> None:
    order = await setting.place((DAY, 1))
    if confirmed:
        await setting.confirm(order)
    await _cancel(setting, order)
    cancelled = setting.store.rows[order.id]
    assert (cancelled.status, cancelled.version) == ("CANCELLED", 3 if confirmed else 2)
    event = setting.outbox.events[-1]
    assert isinstance(event, OrderCancelled)
    assert (event.order_id, event.customer_id) == (order.id, order.customer_id)
    assert (event.total.amount, event.cancelled_at) == (order.total, cancelled.updated_at)


async def test_a_cancelled_order_is_not_confirmed(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    await _cancel(setting, order)
    for version in (1, 2):
        await setting.confirm(order._replace(version=version))
    assert setting.store.rows[order.id].status == "CANCELLED"


@pytest.mark.parametrize("status", ["CANCELLED", "REJECTED"])
async def test_what_is_over_cannot_be_cancelled(setting: Setting, status: str) -> None:
    order = await setting.place((DAY, 1))
    setting.store.rows[order.id] = order._replace(status=status)
    with pytest.raises(IllegalStatusChange):
        await _cancel(setting, order)
    assert len(setting.outbox.events) == 1


async def test_with_a_key_it_is_cancelled_once(setting: Setting) -> None:
    order, other = await setting.place((DAY, 1)), await setting.place((DAY, 1), key="k2")
    first = await _cancel(setting, order, key="c")
    again = await _cancel(setting, order, key="c")
    assert (again.body, first.replayed, again.replayed) == (first.body, False, True)
    assert len(setting.outbox.events) == 3
    with pytest.raises(KeyReused):
        await _cancel(setting, other, key="c")


async def test_cancelling_may_be_meant_for_a_version(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    stale = Precondition(frozenset({'"7"'}))
    with pytest.raises(PreconditionFailed):
        await setting.orders.cancel(setting.ada, order.id, stale, key=None, answer=answer)
    await setting.orders.cancel(setting.ada, order.id, FIRST, key=None, answer=answer)


async def test_a_deleted_order_is_not_there(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    with pytest.raises(PreconditionFailed):
        await setting.orders.delete(ADMIN, order.id, Precondition(frozenset({'"2"'})))
    await setting.orders.delete(ADMIN, order.id, FIRST)
    for who in (setting.ada, ADMIN):
        with pytest.raises(OrderNotFound):
            await setting.orders.get(who, order.id)
    assert setting.outbox.events[1:] == [
        OrderDeleted(order_id=order.id, customer_id=order.customer_id)
    ]


async def test_administrators_may_change_and_cancel(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    await setting.orders.change(ADMIN, order.id, patch(note="seen"), FIRST)
    await _cancel(setting, order, ADMIN)
    assert setting.store.rows[order.id].status == "CANCELLED"


async def test_support_may_only_look(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    assert await setting.orders.get(SUPPORT, order.id) == order
    for change in (patch(note="seen"), patch((DAY, 2))):
        with pytest.raises(PermissionDenied):
            await setting.orders.change(SUPPORT, order.id, change, FIRST)
    with pytest.raises(PermissionDenied):
        await _cancel(setting, order, SUPPORT)
    with pytest.raises(PermissionDenied):
        await setting.orders.delete(SUPPORT, order.id, FIRST)
    assert setting.store.rows[order.id] == order


async def test_only_administrators_delete(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    with pytest.raises(PermissionDenied):
        await setting.orders.delete(setting.ada, order.id, FIRST)


async def test_anothers_order_is_not_there(setting: Setting) -> None:
    order, bob = await setting.place((DAY, 1)), principal()
    for change in (patch(note="seen"), patch((DAY, 2))):
        with pytest.raises(OrderNotFound):
            await setting.orders.change(bob, order.id, change, FIRST)
    with pytest.raises(OrderNotFound):
        await _cancel(setting, order, bob)
    with pytest.raises(OrderNotFound):
        await setting.orders.delete(bob, order.id, FIRST)


async def test_a_list_is_of_what_one_may_see(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    bob = principal()
    mine = OrderQuery(customer_id=order.customer_id)
    for who, found in ((setting.ada, [order]), (SUPPORT, [order]), (bob, [])):
        assert list((await setting.orders.page(who, mine))[0]) == found
    assert list((await setting.orders.page(SUPPORT, OrderQuery()))[0]) == [order]


async def test_a_list_is_of_a_time(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    moment = timedelta(milliseconds=1)
    for after, before, found in ((-1, 1, [order]), (0, 1, []), (-1, 0, [])):
        query = OrderQuery(
            placed_after=order.placed_at + after * moment,
            placed_before=order.placed_at + before * moment,
        )
        assert list((await setting.orders.page(setting.ada, query))[0]) == found


@pytest.mark.parametrize("note", ["a\0b", "\x1b[31m", "\x7f", "\x85", "x" * 1001])
@pytest.mark.parametrize("request_", [PlaceOrder, ChangeOrder])
def test_a_note_is_text(request_: type[PlaceOrder | ChangeOrder], note: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request_.model_validate({"note": note})
    assert ("note",) in [error["loc"] for error in caught.value.errors()]


def test_a_note_may_have_lines() -> None:
    assert patch(note="Ring twice,\r\n\tthen wait — 待って").note is not None


@pytest.mark.parametrize("lines", [None, [], [{"serviceId": str(DAY), "quantity": 0}]])
def test_lines_are_never_taken_away(lines: object) -> None:
    with pytest.raises(ValidationError):
        ChangeOrder.model_validate({"lines": lines})


def test_a_status_is_not_left_for_itself() -> None:
    assert not any(status.may_become(status) for status in Status)
