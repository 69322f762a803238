"""Every query about orders that are there: single statements, no objects of the ORM.

What writes new ones is in `placement.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from tortoise.exceptions import IntegrityError

from libs.context import current
from libs.db.database import Database
from libs.db.errors import constraint
from libs.db.unit_of_work import current_unit_of_work
from libs.errors import PreconditionFailed
from libs.ids import uuid7
from services.api.orders.errors import IllegalStatusChange
from services.api.orders.models import Status

STATUS_CHANGE: Final = "orders_status_change"
"""The trigger that knows how an order's status may change."""

Position = tuple[datetime, UUID]
"""In the list's order: time and id of an order."""


class Line(NamedTuple):
    """A line of an order. `service_id` is a UUID in text: it is only ever passed on."""

    service_id: str
    name: str
    quantity: int
    unit_price: Decimal
    amount: Decimal


class Assessment(NamedTuple):
    """What an order is worth in the reporting currency, and when it is due."""

    reporting_total: Decimal
    reporting_currency: str
    rate: Decimal
    rate_as_of: date
    stale: bool
    due_on: date


class Order(NamedTuple):
    """An order with its lines."""

    id: UUID
    customer_id: UUID
    status: str
    currency: str
    lines: Sequence[Line]
    total: Decimal
    note: str | None
    placed_at: datetime
    updated_at: datetime
    version: int = 1
    assessment: Assessment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDetails:
    """What is known of a customer when they order: from their access token."""

    id: UUID
    name: str
    country: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders; None: it does not matter."""

    customer_id: UUID | None = None
    status: Status | None = None
    placed_after: datetime | None = None
    placed_before: datetime | None = None


# Each line as one text with the name at its end: JSON costs the server twice as much.
_SELECT = """
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       ARRAY(SELECT concat_ws(E'\\t', l.service_id, l.quantity, l.unit_price, l.amount, l.name)
               FROM order_lines l WHERE l.order_id = o.id ORDER BY l.position) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL"""

_GET = f"/* orders.get */ {_SELECT} AND o.id = $1"

_LIST = f"/* orders.list */ {_SELECT}"

# Lines are read by a statement after this one: one that waits for the row would see the order as it
# is then, with the lines as they were before.
_LOCK = """/* orders.lock */
SELECT id FROM orders WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"""

# A customer without a country was deleted before we heard of them; ZZ is nobody's (ISO 3166-1).
_UPDATE = """/* orders.update */
UPDATE orders o
   SET status = $3, total = $4, note = $5, updated_at = $6, updated_by = $7, version = $2
  FROM customers c
 WHERE o.id = $1 AND o.version = $2 - 1 AND o.deleted_at IS NULL AND c.id = o.customer_id
RETURNING coalesce(c.country, 'ZZ') AS country"""

_DELETE_LINES = """/* orders.delete_lines */
DELETE FROM order_lines WHERE order_id = $1"""

_INSERT_LINES = """/* orders.insert_lines */
INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
SELECT l.id, $1, l.position, l.service_id, l.name, l.quantity, l.unit_price, l.amount
  FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::integer[], $7::numeric[],
              $8::numeric[])
       AS l (id, position, service_id, name, quantity, unit_price, amount)"""

_DELETE = """/* orders.delete */
UPDATE orders
   SET deleted_at = $3, updated_at = $3, updated_by = $4, version = $2
 WHERE id = $1 AND version = $2 - 1 AND deleted_at IS NULL"""

_CONFIRM = """/* orders.confirm */
UPDATE orders
   SET status = 'CONFIRMED', reporting_total = $2, reporting_currency = $3, rate = $4,
       rate_as_of = $5, stale = $6, due_on = $7,
       updated_at = $8, updated_by = $9, version = version + 1
 WHERE id = $1 AND status = 'PENDING' AND version = $10 AND deleted_at IS NULL
RETURNING id, customer_id, currency, total"""


class Confirmed(NamedTuple):
    """The part of an order that its confirmation tells of."""

    id: UUID
    customer_id: UUID
    currency: str
    total: Decimal


class OrderRepository:
    """The orders in the module's schema."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, order_id: UUID) -> Order | None:
        """The order, whoever's it is."""
        row = await self._db.row(_GET, order_id)
        return None if row is None else _order(row)

    async def find_for_update(self, order_id: UUID) -> Order | None:
        """The same, and nobody else changes it until the unit of work is over."""
        current_unit_of_work(self._db)
        return await self.find(order_id) if await self._db.rows(_LOCK, order_id) else None

    async def page(self, wanted: OrderFilter, *, after: Position | None, limit: int) -> list[Order]:
        """Orders, the newest first.

        Args:
            after: where the page before this one ended, of the list of the same orders.
        """
        conditions: list[str] = []
        values: list[Any] = []

        def where(condition: str, *given: Any) -> None:
            places = [f"${len(values) + n}" for n in range(1, len(given) + 1)]
            conditions.append(f" AND {condition.format(*places)}")
            values.extend(given)

        if wanted.customer_id is not None:
            where("o.customer_id = {}", wanted.customer_id)
        if wanted.status is not None:
            where("o.status = {}", wanted.status.value)
        if wanted.placed_after is not None:
            where("o.placed_at > {}", wanted.placed_after)
        # A position in the list is before that time already; to ask for both would make PostgreSQL
        # begin at the time, and go all the way to the position.
        if after is not None:
            where("(o.placed_at, o.id) < ({}, {})", *after)
        elif wanted.placed_before is not None:
            where("o.placed_at < {}", wanted.placed_before)
        # The limit is no parameter: PostgreSQL would take it for a tenth of the table, and make a
        # new plan each time.
        order = f" ORDER BY o.placed_at DESC, o.id DESC LIMIT {limit:d}"
        rows = await self._db.rows("".join([_LIST, *conditions, order]), *values)
        return [_order(row) for row in rows]

    async def update(self, order: Order) -> str:
        """Write the status, total and note of an order's next version.

        Returns:
            The country of its customer.

        Raises:
            IllegalStatusChange: it cannot get there from what it is.
            PreconditionFailed: it is not the next version.
        """
        values = (order.status, order.total, order.note, order.updated_at, current().actor)
        try:
            row = await self._db.row(_UPDATE, order.id, order.version, *values)
        except IntegrityError as error:
            if constraint(error) == STATUS_CHANGE:
                raise IllegalStatusChange from error
            raise
        if row is None:
            raise PreconditionFailed
        return str(row["country"])

    async def replace_lines(self, order: Order) -> None:
        """Write the lines of an order in place of those it has."""
        await self._db.execute(_DELETE_LINES, order.id)
        await self._db.execute(_INSERT_LINES, order.id, *columns_of(order.lines))

    async def delete(self, order: Order) -> None:
        """Mark an order as deleted with its next version.

        Raises:
            PreconditionFailed: it is not the next version.
        """
        values = (order.id, order.version, order.updated_at, current().actor)
        if not await self._db.execute(_DELETE, *values):
            raise PreconditionFailed

    async def confirm(
        self, order_id: UUID, version: int, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None:
        """Confirm the order; None if it is not pending, not there, or of another version."""
        row = await self._db.row(_CONFIRM, order_id, *assessment, at, current().actor, version)
        return None if row is None else Confirmed(**row)


def columns_of(lines: Sequence[Line]) -> tuple[list[Any], ...]:
    """The lines as what `unnest` makes rows of: ids, positions, and their own values."""
    return (
        [uuid7() for _ in lines],
        list(range(1, len(lines) + 1)),
        [line.service_id for line in lines],
        [line.name for line in lines],
        [line.quantity for line in lines],
        [line.unit_price for line in lines],
        [line.amount for line in lines],
    )


def _order(row: Mapping[str, Any]) -> Order:
    assessment = None
    if row["reporting_total"] is not None:
        assessment = Assessment(
            row["reporting_total"],
            row["reporting_currency"],
            row["rate"],
            row["rate_as_of"],
            row["stale"],
            row["due_on"],
        )
    return Order(
        row["id"],
        row["customer_id"],
        row["status"],
        row["currency"],
        [_line(*text.split("\t", 4)) for text in row["lines"]],
        row["total"],
        row["note"],
        row["placed_at"],
        row["updated_at"],
        row["version"],
        assessment,
    )


def _line(service_id: str, quantity: str, unit_price: str, amount: str, name: str) -> Line:
    return Line(service_id, name, int(quantity), Decimal(unit_price), Decimal(amount))
