"""Placing, confirming and reading orders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.contracts.api import OrderConfirmed, OrderPlaced
from libs.db.idempotency import Answer, Scope, fingerprint
from libs.errors import AppError, FieldError
from libs.events.event import Event
from libs.ids import uuid7
from libs.logging import get_logger
from libs.schema import Money
from libs.web.pagination import Cursors, cut
from services.api.catalog.service import Offer
from services.api.orders.errors import CurrencyMismatch, NoCustomer, OrderNotFound, UnknownService
from services.api.orders.models import Status
from services.api.orders.repository import (
    Assessment,
    Confirmed,
    CustomerDetails,
    Line,
    Order,
    OrderFilter,
    Position,
)
from services.api.orders.schemas import OrderQuery, PlaceOrder

log = get_logger()

PLACE = "POST /v1/orders"
"""The route, in the scope of idempotency keys."""

_CURSORS: Cursors[Position] = Cursors("orders by time, newest first", tuple[datetime, UUID])


class OrderStore(Protocol):
    """What the service needs of `repository.OrderRepository`."""

    async def add(self, order: Order, customer: CustomerDetails) -> None: ...
    async def find(self, order_id: UUID) -> Order | None: ...
    async def page(
        self, wanted: OrderFilter, *, after: Position | None, limit: int
    ) -> Sequence[Order]: ...
    async def confirm(
        self, order_id: UUID, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None: ...


class Offers(Protocol):
    """What the service needs of `catalog.service.Catalog`."""

    async def offers(self, service_ids: Iterable[UUID]) -> Mapping[UUID, Offer]: ...


class Keys(Protocol):
    """What the service needs of `libs.db.idempotency.IdempotencyKeys`."""

    async def claim(self, scope: Scope, fingerprint: bytes) -> Answer | None: ...
    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None: ...
    async def complete(self, scope: Scope, fingerprint: bytes, answer: Answer) -> None: ...


class EventSink(Protocol):
    """What the service needs of `libs.events.outbox.Outbox`."""

    async def add(self, event: Event) -> UUID: ...


class Orders:
    """The use cases.

    Args:
        work: opens a unit of work on the module's database.
    """

    def __init__(
        self,
        *,
        work: Callable[[], AbstractAsyncContextManager[object]],
        orders: OrderStore,
        catalog: Offers,
        keys: Keys,
        outbox: EventSink,
    ) -> None:
        self._work = work
        self._orders = orders
        self._catalog = catalog
        self._keys = keys
        self._outbox = outbox

    async def place(
        self,
        principal: Principal,
        wanted: PlaceOrder,
        *,
        key: str,
        answer: Callable[[Order], Answer],
    ) -> Answer:
        """Place an order, once per idempotency key.

        Args:
            answer: what to say of the new order; kept with the key.

        Raises:
            UnknownService, CurrencyMismatch: a line cannot be ordered like this.
            NoCustomer: the caller is not a user, or deleted.
            InFlight, KeyReused: see `IdempotencyKeys.claim`.
        """
        customer = _customer(principal)
        scope = Scope(actor=principal.subject, route=PLACE, key=key)
        asked = fingerprint(wanted.model_dump(mode="json"))
        try:
            lines = await self._priced(wanted)
        except AppError:
            # The catalogue may have changed, or be down, since the same request succeeded.
            if (stored := await self._keys.find(scope, asked)) is not None:
                return stored
            raise
        async with self._work():
            if (stored := await self._keys.claim(scope, asked)) is not None:
                return stored
            order = _new_order(customer.id, wanted, lines)
            await self._orders.add(order, customer)
            await self._outbox.add(_placed(order, customer.country))
            placed = answer(order)
            await self._keys.complete(scope, asked, placed)
        return placed

    async def confirm(self, order_id: UUID, assessment: Assessment) -> None:
        """Confirm an order that was assessed. Joins the consumer's unit of work."""
        confirmed = await self._orders.confirm(order_id, assessment, at=_now())
        if confirmed is None:
            log.info("order.assessment_ignored", orderId=str(order_id), reason="not_pending")
            return
        reporting = Money(amount=assessment.reporting_total, currency=assessment.reporting_currency)
        await self._outbox.add(
            OrderConfirmed(
                order_id=order_id,
                customer_id=confirmed.customer_id,
                total=Money(amount=confirmed.total, currency=confirmed.currency),
                reporting_total=reporting,
            )
        )
        log.info("order.confirmed", orderId=str(order_id))

    async def get(self, principal: Principal, order_id: UUID) -> Order:
        """An order that the caller may see.

        Raises:
            OrderNotFound: there is none.
        """
        order = await self._orders.find(order_id)
        if order is None or _owner(principal) not in (None, order.customer_id):
            raise OrderNotFound
        return order

    async def page(
        self, principal: Principal, query: OrderQuery
    ) -> tuple[Sequence[Order], str | None]:
        """A page of the orders that the caller may see, and the cursor of the next one.

        Raises:
            InvalidCursor: the query's cursor is not one of this list.
        """
        owner = _owner(principal)
        wanted = OrderFilter(
            customer_id=owner, status=query.status, placed_after=query.placed_after
        )
        filters = {"owner": owner, "status": query.status, "placedAfter": query.placed_after}
        after = _CURSORS.read(query.cursor, filters)
        found = await self._orders.page(wanted, after=after, limit=query.limit + 1)
        orders, last = cut(found, query.limit)
        if last is None:
            return orders, None
        return orders, _CURSORS.write((last.placed_at, last.id), filters)

    async def _priced(self, wanted: PlaceOrder) -> list[Line]:
        """The lines at today's prices; every line that is wrong is told."""
        offers = await self._catalog.offers(line.service_id for line in wanted.lines)
        found = [offers.get(line.service_id) for line in wanted.lines]
        unknown = [n for n, offer in enumerate(found) if offer is None or not offer.active]
        if unknown:
            raise UnknownService(errors=_at_lines(unknown, UnknownService))
        priced = [offer for offer in found if offer is not None]
        foreign = [n for n, offer in enumerate(priced) if offer.currency != wanted.currency]
        if foreign:
            raise CurrencyMismatch(errors=_at_lines(foreign, CurrencyMismatch))
        return [
            Line(
                service_id=str(line.service_id),
                name=offer.name,
                quantity=line.quantity,
                unit_price=offer.price,
                amount=offer.price * line.quantity,
            )
            for line, offer in zip(wanted.lines, priced, strict=True)
        ]


def _owner(principal: Principal) -> UUID | None:
    """Whose orders the caller may see; None: everybody's."""
    return None if principal.may(Permission.ORDERS_READ_ALL) else _user_id(principal)


def _user_id(principal: Principal) -> UUID:
    try:
        return UUID(principal.subject)
    except ValueError as error:
        raise NoCustomer from error


def _customer(principal: Principal) -> CustomerDetails:
    if not principal.country:
        raise NoCustomer
    return CustomerDetails(
        id=_user_id(principal),
        name=principal.name,
        country=principal.country,
        revision=principal.revision,
    )


def _at_lines(numbers: Iterable[int], error: type[AppError]) -> list[FieldError]:
    return [FieldError(f"/lines/{n}/serviceId", error.code, error.title) for n in numbers]


def _now() -> datetime:
    """Now, in milliseconds: an order shows the very time that it is found by."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _new_order(customer_id: UUID, wanted: PlaceOrder, lines: Sequence[Line]) -> Order:
    now = _now()
    return Order(
        id=uuid7(),
        customer_id=customer_id,
        status=Status.PENDING.value,
        currency=wanted.currency,
        lines=lines,
        total=sum((line.amount for line in lines), Decimal(0)),
        note=wanted.note,
        placed_at=now,
        updated_at=now,
    )


def _placed(order: Order, country: str) -> OrderPlaced:
    return OrderPlaced(
        order_id=order.id,
        customer_id=order.customer_id,
        country=country,
        total=Money(amount=order.total, currency=order.currency),
        placed_at=order.placed_at,
    )
