"""Every query about orders: single statements, no objects of the ORM (see docs on performance)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from libs.context import current
from libs.db.database import Database
from libs.ids import uuid7
from services.api.orders.errors import NoCustomer
from services.api.orders.models import Status

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


# One statement: customer, order and lines. A foreign key is checked when a statement ends. The
# customer who is inserted here is not seen by the rest of it; one who was there before is.
_INSERT = """/* orders.insert */
WITH customer AS (
    INSERT INTO customers (id, name, country, revision, created_at, updated_at,
                           created_by, updated_by)
    VALUES ($1, $2, $3, $4, $11, $11, $12, $12)
    ON CONFLICT (id) DO NOTHING
), placed AS (
    INSERT INTO orders (id, customer_id, status, currency, total, note, placed_at,
                        created_at, updated_at, created_by, updated_by)
    SELECT $5, $1, $6, $7, $8, $9, $10, $11, $11, $12, $12
     WHERE NOT EXISTS (SELECT FROM customers WHERE id = $1 AND deleted_at IS NOT NULL)
    RETURNING id
), lines AS (
    INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
    SELECT l.id, placed.id, l.position, l.service_id, l.name, l.quantity, l.unit_price, l.amount
      FROM placed, unnest($13::uuid[], $14::smallint[], $15::uuid[], $16::text[], $17::integer[],
                          $18::numeric[], $19::numeric[])
           AS l (id, position, service_id, name, quantity, unit_price, amount)
)
SELECT id FROM placed"""

_SELECT = """
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL"""

_GET = f"/* orders.get */ {_SELECT} AND o.id = $1"

_LIST = f"/* orders.list */ {_SELECT}"

_CONFIRM = """/* orders.confirm */
UPDATE orders
   SET status = 'CONFIRMED', reporting_total = $2, reporting_currency = $3, rate = $4,
       rate_as_of = $5, stale = $6, due_on = $7,
       updated_at = $8, updated_by = $9, version = version + 1
 WHERE id = $1 AND status = 'PENDING' AND deleted_at IS NULL
RETURNING customer_id, currency, total"""


class Confirmed(NamedTuple):
    """The part of an order that its confirmation tells of."""

    customer_id: UUID
    currency: str
    total: Decimal


class OrderRepository:
    """The orders in the module's schema."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, order: Order, customer: CustomerDetails) -> None:
        """Insert an order with its lines, and its customer if nothing was heard of them yet.

        Raises:
            NoCustomer: the customer is deleted.
        """
        lines = order.lines
        added = await self._db.rows(
            _INSERT,
            *(customer.id, customer.name, customer.country, customer.revision),
            *(order.id, order.status, order.currency, order.total, order.note),
            *(order.placed_at, order.updated_at, current().actor),
            [uuid7() for _ in lines],
            list(range(1, len(lines) + 1)),
            [line.service_id for line in lines],
            [line.name for line in lines],
            [line.quantity for line in lines],
            [line.unit_price for line in lines],
            [line.amount for line in lines],
        )
        if not added:
            raise NoCustomer

    async def find(self, order_id: UUID) -> Order | None:
        """The order, whoever's it is."""
        row = await self._db.row(_GET, order_id)
        return None if row is None else _order(row)

    async def page(self, wanted: OrderFilter, *, after: Position | None, limit: int) -> list[Order]:
        """Orders, the newest first."""
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
        if after is not None:
            where("(o.placed_at, o.id) < ({}, {})", *after)
        order = f" ORDER BY o.placed_at DESC, o.id DESC LIMIT ${len(values) + 1}"
        rows = await self._db.rows("".join([_LIST, *conditions, order]), *values, limit)
        return [_order(row) for row in rows]

    async def confirm(
        self, order_id: UUID, assessment: Assessment, *, at: datetime
    ) -> Confirmed | None:
        """Confirm the order; None if it is not pending, or not there."""
        row = await self._db.row(_CONFIRM, order_id, *assessment, at, current().actor)
        return None if row is None else Confirmed(**row)


def _order(row: Mapping[str, Any]) -> Order:
    assessment = None
    if row["reporting_total"] is not None:
        assessment = Assessment(*(row[name] for name in Assessment._fields))
    return Order(
        id=row["id"],
        customer_id=row["customer_id"],
        status=row["status"],
        currency=row["currency"],
        lines=[
            Line(service_id, name, quantity, Decimal(unit_price), Decimal(amount))
            for service_id, name, quantity, unit_price, amount in orjson.loads(row["lines"] or "[]")
        ],
        total=row["total"],
        note=row["note"],
        placed_at=row["placed_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        assessment=assessment,
    )
