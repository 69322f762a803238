"""The use cases of orders, with everything around them made up."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.db.idempotency import Answer
from libs.ids import uuid7
from services.api.catalog.service import Offer
from services.api.orders.repository import Assessment, Order
from services.api.orders.schemas import ChangeOrder, PlaceOrder
from services.api.orders.service import Orders
from tests.unit.api.fakes import (
    FakeKeys,
    FakeOffers,
    FakeOrders,
    FakeOutbox,
    FakePlacement,
    Work,
    offer,
    principal,
)

DAY, MONTH, GONE, POUNDS = uuid7(), uuid7(), uuid7(), uuid7()
OFFERS: dict[UUID, Offer] = {
    DAY: offer("12.50"),
    MONTH: offer("0.10"),
    GONE: offer(active=False),
    POUNDS: offer(currency="GBP"),
}
ASSESSMENT = Assessment(
    reporting_total=Decimal("41.20"),
    reporting_currency="USD",
    rate=Decimal("1.087500000000"),
    rate_as_of=date(2026, 1, 30),
    stale=False,
    due_on=date(2026, 2, 2),
)


class Setting:
    """The use cases, with everything around them."""

    def __init__(self) -> None:
        self.work = Work()
        self.store = FakeOrders()
        self.catalog = FakeOffers(self.work, OFFERS)
        self.keys = FakeKeys()
        self.outbox = FakeOutbox(self.work)
        self.orders = Orders(
            work=self.work,
            placement=FakePlacement(self.work, self.store, self.keys, self.outbox),
            orders=self.store,
            catalog=self.catalog,
            keys=self.keys,
            publish=self.outbox.add,
            cursor_key=b"key",
        )
        self.ada = principal()

    async def place(self, *lines: tuple[UUID, int], key: str = "k", currency: str = "EUR") -> Order:
        request = wanted(*lines, currency=currency)
        given = await self.orders.place(self.ada, request, key=key, answer=answer)
        return self.store.rows[UUID(given.body.decode())]

    async def confirm(self, order: Order) -> None:
        async with self.work():
            await self.orders.confirm(order.id, order.version, ASSESSMENT)


def _lines(lines: tuple[tuple[UUID, int], ...]) -> list[dict[str, object]]:
    return [{"serviceId": str(service), "quantity": quantity} for service, quantity in lines]


def wanted(*lines: tuple[UUID, int], currency: str = "EUR") -> PlaceOrder:
    return PlaceOrder.model_validate({"currency": currency, "lines": _lines(lines)})


def patch(*lines: tuple[UUID, int], **fields: Any) -> ChangeOrder:
    return ChangeOrder.model_validate({**fields, **({"lines": _lines(lines)} if lines else {})})


def answer(order: Order) -> Answer:
    return Answer(status=201, body=str(order.id).encode())
