"""Placing, changing, cancelling, confirming and reading orders."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from libs.auth.principal import Principal
from libs.db.idempotency import Answer, Scope, fingerprint
from libs.errors import AppError
from libs.ids import uuid7
from libs.logging import get_logger
from libs.web.conditional import Precondition
from libs.web.pagination import Cursors, cut
from services.api.orders import events
from services.api.orders.access import (
    changeable,
    customer,
    deletable,
    owner_of_visible,
    visible,
)
from services.api.orders.errors import IllegalStatusChange, NotPending
from services.api.orders.models import Status
from services.api.orders.ports import Keys, OrderStore, Placement, Publish, Work
from services.api.orders.pricing import Offers, priced, total
from services.api.orders.repository import Assessment, Line, Order, OrderFilter, Position
from services.api.orders.schemas import ChangeOrder, OrderQuery, PlaceOrder

log = get_logger()

PLACE = "POST /v1/orders"
CANCEL = "POST /v1/orders/{id}/cancel"
"""The routes, in the scope of idempotency keys."""

_ORDER = "orders by time, newest first"


class Orders:
    """The use cases.

    Args:
        cursor_key: what the cursors of the list are signed with.
    """

    def __init__(
        self,
        *,
        work: Work,
        placement: Placement,
        orders: OrderStore,
        catalog: Offers,
        keys: Keys,
        publish: Publish,
        cursor_key: bytes,
    ) -> None:
        self._work = work
        self._placement = placement
        self._orders = orders
        self._catalog = catalog
        self._keys = keys
        self._publish = publish
        self._cursors: Cursors[Position] = Cursors(_ORDER, tuple[datetime, UUID], cursor_key)

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
        buyer = customer(principal)
        scope = Scope(actor=principal.subject, route=PLACE, key=key)
        asked = fingerprint(wanted.model_dump(mode="json"))
        try:
            lines = await priced(self._catalog, wanted.lines, wanted.currency)
        except AppError:
            # The catalogue may have changed, or be down, since the same request succeeded.
            if (stored := await self._keys.find(scope, asked)) is not None:
                return stored
            raise
        order = _new_order(buyer.id, wanted, lines)
        told = events.placed(order, buyer.country)
        return await self._placement.place(
            order, buyer, told, answer(order), scope=scope, asked=asked
        )

    async def change(
        self, principal: Principal, order_id: UUID, patch: ChangeOrder, precondition: Precondition
    ) -> Order:
        """Change what `patch` names. An order that is still pending is assessed anew.

        Raises:
            OrderNotFound, PermissionDenied: the caller may not see, or not change it.
            PreconditionFailed: it is not of the version that the change is meant for.
            NotPending: its lines cannot be changed any more.
            UnknownService, CurrencyMismatch: a line cannot be ordered like this.
        """
        lines: Sequence[Line] | None = None
        if patch.lines:
            seen = await self._orders.find(order_id)
            seen = _admit(principal, seen, patch, precondition)
            lines = await priced(self._catalog, patch.lines, seen.currency)
        async with self._work():
            now = await self._orders.find_for_update(order_id)
            order = _admit(principal, now, patch, precondition)
            wanted = _patched(order, patch, lines)
            if wanted == order:
                return order
            changed = _next_version(wanted)
            country = await self._orders.update(changed)
            if lines is not None:
                await self._orders.replace_lines(changed)
            await self._publish(events.changed(changed, country))
        log.info("order.changed", orderId=str(order_id), fields=sorted(patch.model_fields_set))
        return changed

    async def cancel(
        self,
        principal: Principal,
        order_id: UUID,
        precondition: Precondition,
        *,
        key: str | None,
        answer: Callable[[Order], Answer],
    ) -> Answer:
        """Cancel an order; once, if there is an idempotency key.

        Args:
            answer: what to say of the cancelled order; kept with the key.

        Raises:
            OrderNotFound, PermissionDenied: the caller may not see, or not change it.
            PreconditionFailed: it is not of the version that is meant.
            IllegalStatusChange: it was rejected or is cancelled already.
            InFlight, KeyReused: see `IdempotencyKeys.claim`.
        """

        async def perform() -> Answer:
            order = changeable(principal, await self._orders.find_for_update(order_id))
            precondition.check(order.version)
            if not Status(order.status).may_become(Status.CANCELLED):
                raise IllegalStatusChange(f"An order that is {order.status} cannot be cancelled")
            cancelled = _next_version(order._replace(status=Status.CANCELLED.value))
            await self._orders.update(cancelled)
            await self._publish(events.cancelled(cancelled))
            return answer(cancelled)

        scope = Scope(actor=principal.subject, route=CANCEL, key=key) if key else None
        async with self._work():
            given = await self._keys.once(scope, fingerprint(str(order_id)), perform)
        if not given.replayed:
            log.info("order.cancelled", orderId=str(order_id))
        return given

    async def delete(
        self, principal: Principal, order_id: UUID, precondition: Precondition
    ) -> None:
        """Delete an order, softly: nobody sees it any more, and it is not confirmed any more.

        Raises:
            OrderNotFound, PermissionDenied: the caller may not see, or not delete it.
            PreconditionFailed: it is not of the version that is meant.
        """
        async with self._work():
            order = deletable(principal, await self._orders.find_for_update(order_id))
            precondition.check(order.version)
            await self._orders.delete(_next_version(order))
            await self._publish(events.deleted(order))
        log.info("order.deleted", orderId=str(order_id))

    async def confirm(self, order_id: UUID, version: int, assessment: Assessment) -> None:
        """Confirm an order that was assessed. Joins the consumer's unit of work.

        Args:
            version: of the order that was assessed. One that was changed since waits for the
                assessment of what it is now.
        """
        confirmed = await self._orders.confirm(order_id, version, assessment, at=_now())
        if confirmed is None:
            log.info(
                "order.assessment_ignored",
                orderId=str(order_id),
                orderVersion=version,
                reason="not_pending_in_this_version",
            )
            return
        await self._publish(events.confirmed(confirmed, assessment))
        log.info("order.confirmed", orderId=str(order_id))

    async def get(self, principal: Principal, order_id: UUID) -> Order:
        """An order that the caller may see.

        Raises:
            OrderNotFound: there is none.
        """
        return visible(principal, await self._orders.find(order_id))

    async def page(
        self, principal: Principal, query: OrderQuery
    ) -> tuple[Sequence[Order], str | None]:
        """A page of the orders that the caller may see, and the cursor of the next one.

        Raises:
            InvalidCursor: the query's cursor is not one of this list.
        """
        owner = owner_of_visible(principal)
        filters = {"owner": owner, **query.model_dump(exclude={"limit", "cursor"})}
        after = self._cursors.read(query.cursor, filters)
        if owner is not None and query.customer_id not in (None, owner):
            return (), None
        wanted = OrderFilter(
            customer_id=owner or query.customer_id,
            status=query.status,
            placed_after=query.placed_after,
            placed_before=query.placed_before,
        )
        found = await self._orders.page(wanted, after=after, limit=query.limit + 1)
        orders, last = cut(found, query.limit)
        if last is None:
            return orders, None
        return orders, self._cursors.write((last.placed_at, last.id), filters)


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
        total=total(lines),
        note=wanted.note,
        placed_at=now,
        updated_at=now,
    )


def _admit(
    principal: Principal, order: Order | None, patch: ChangeOrder, precondition: Precondition
) -> Order:
    """The order, if it may be changed like this, by this caller."""
    order = changeable(principal, order)
    precondition.check(order.version)
    if patch.lines and order.status != Status.PENDING:
        raise NotPending
    return order


def _patched(order: Order, patch: ChangeOrder, lines: Sequence[Line] | None) -> Order:
    if "note" in patch.model_fields_set:
        order = order._replace(note=patch.note)
    return order if lines is None else order._replace(lines=lines, total=total(lines))


def _next_version(order: Order) -> Order:
    return order._replace(version=order.version + 1, updated_at=_now())
