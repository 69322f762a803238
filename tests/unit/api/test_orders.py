from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson
import pytest

from libs.contracts.api import OrderConfirmed, OrderPlaced
from libs.contracts.worker import OrderAssessed
from libs.db.idempotency import KeyReused
from libs.errors import PermissionDenied, Unavailable
from libs.ids import uuid7
from libs.schema import Money
from libs.web.pagination import InvalidCursor
from services.api.orders.errors import CurrencyMismatch, NoCustomer, OrderNotFound, UnknownService
from services.api.orders.handlers import handlers
from services.api.orders.repository import Assessment, Line, Order
from services.api.orders.schemas import OrderQuery, OrderView, view
from tests.unit.api.fakes import principal
from tests.unit.api.orders import ASSESSMENT, DAY, GONE, MONTH, POUNDS, Setting, answer, wanted


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_an_order_has_todays_prices(setting: Setting) -> None:
    order = await setting.place((DAY, 3), (MONTH, 7))
    assert [line.amount for line in order.lines] == [Decimal("37.50"), Decimal("0.70")]
    assert order.total == Decimal("38.20")
    assert order.status == "PENDING"
    assert setting.work.commits == 1


async def test_an_order_is_told_of(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    [event] = setting.outbox.events
    assert isinstance(event, OrderPlaced)
    assert (event.order_id, str(event.customer_id)) == (order.id, setting.ada.subject)
    assert (event.country, event.total) == ("DE", Money(amount=Decimal("12.50"), currency="EUR"))


async def test_an_order_brings_its_customer(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    customer = setting.store.customers[order.customer_id]
    assert (customer.name, customer.country, customer.revision) == ("Ada", "DE", 1)


async def test_the_same_request_again_is_answered_alike(setting: Setting) -> None:
    first = await setting.place((DAY, 1))
    again = await setting.orders.place(setting.ada, wanted((DAY, 1)), key="k", answer=answer)
    assert (again.body, again.replayed) == (str(first.id).encode(), True)
    assert len(setting.outbox.events) == 1


async def test_it_is_answered_alike_when_the_service_has_gone_since(setting: Setting) -> None:
    first = await setting.place((DAY, 1))
    del setting.catalog.offered[DAY]
    again = await setting.orders.place(setting.ada, wanted((DAY, 1)), key="k", answer=answer)
    assert again.body == str(first.id).encode()


async def test_another_request_under_the_key_is_refused(setting: Setting) -> None:
    await setting.place((DAY, 1))
    with pytest.raises(KeyReused):
        await setting.place((DAY, 2))


async def test_an_order_that_cannot_be_is_refused_with_every_line(setting: Setting) -> None:
    with pytest.raises(UnknownService) as caught:
        await setting.place((uuid7(), 1), (DAY, 1), (GONE, 1))
    assert [e.pointer for e in caught.value.errors] == ["/lines/0/serviceId", "/lines/2/serviceId"]
    assert setting.work.commits == 0


async def test_a_service_of_another_currency_is_refused(setting: Setting) -> None:
    with pytest.raises(CurrencyMismatch) as caught:
        await setting.place((DAY, 1), (POUNDS, 1))
    assert [e.pointer for e in caught.value.errors] == ["/lines/1/serviceId"]


async def test_a_catalogue_that_is_down_is_said(setting: Setting) -> None:
    setting.catalog.down = True
    with pytest.raises(Unavailable):
        await setting.place((DAY, 1))


async def test_a_service_account_cannot_order(setting: Setting) -> None:
    setting.ada = principal(subject="service:worker")
    with pytest.raises(NoCustomer) as caught:
        await setting.place((DAY, 1))
    assert isinstance(caught.value, PermissionDenied)


async def test_anothers_order_is_not_there(setting: Setting) -> None:
    order = await setting.place((DAY, 1))
    assert await setting.orders.get(setting.ada, order.id) == order
    assert await setting.orders.get(principal(roles=("support",)), order.id) == order
    with pytest.raises(OrderNotFound):
        await setting.orders.get(principal(), order.id)


async def test_pages_follow_each_other(setting: Setting) -> None:
    for n in range(5):
        order = await setting.place((DAY, 1), key=f"k{n}")
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n // 2)
        setting.store.rows[order.id] = order._replace(placed_at=at)
    query, seen = OrderQuery(limit=2), list[UUID]()
    while True:
        page, cursor = await setting.orders.page(setting.ada, query)
        seen += [order.id for order in page]
        if cursor is None:
            break
        query = OrderQuery(limit=2, cursor=cursor)
    assert len(seen) == 5
    assert len(set(seen)) == 5


async def test_anothers_cursor_is_foreign(setting: Setting) -> None:
    for n in range(2):
        await setting.place((DAY, 1), key=f"k{n}")
    _, cursor = await setting.orders.page(setting.ada, OrderQuery(limit=1))
    with pytest.raises(InvalidCursor):
        await setting.orders.page(principal(), OrderQuery(limit=1, cursor=cursor))


async def test_an_assessment_confirms_once(setting: Setting) -> None:
    order = await setting.place((DAY, 3))
    [handler] = handlers(setting.orders)
    event = OrderAssessed(
        order_id=order.id,
        reporting_total=Money(amount=Decimal("41.20"), currency="USD"),
        rate=ASSESSMENT.rate,
        rate_as_of=ASSESSMENT.rate_as_of,
        stale=False,
        due_on=ASSESSMENT.due_on,
    )
    for _ in range(2):
        async with setting.work():
            await handler.handle(event, None)
    confirmed = setting.store.rows[order.id]
    assert (confirmed.status, confirmed.version) == ("CONFIRMED", 2)
    assert confirmed.assessment == ASSESSMENT
    assert [type(e) for e in setting.outbox.events] == [OrderPlaced, OrderConfirmed]


@pytest.mark.parametrize("assessment", [None, ASSESSMENT])
def test_the_answer_is_what_the_document_says(assessment: Assessment | None) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    order = Order(
        id=uuid7(),
        customer_id=uuid7(),
        status="CONFIRMED" if assessment else "PENDING",
        currency="EUR",
        lines=[Line(str(DAY), "Engineering day", 3, Decimal("12.5"), Decimal("37.50"))],
        total=Decimal("37.50"),
        note=None,
        placed_at=now,
        updated_at=now,
        assessment=assessment,
    )
    shown = orjson.dumps(view(order))
    assert orjson.loads(OrderView.model_validate_json(shown).to_json()) == orjson.loads(shown)
    assert orjson.loads(shown)["lines"][0]["unitPrice"] == {"amount": "12.50", "currency": "EUR"}
    if assessment:
        assert orjson.loads(shown)["assessment"]["rate"] == "1.0875"
