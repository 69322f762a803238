"""Placing an order is one statement, and so one transaction: all of it is there, or nothing.

    key        the idempotency key is claimed, unless it has an answer already
    customer   one whom no event has told of yet is taken over
    placed     the order, unless its customer is deleted
    lines      its lines
    told       the event, in the outbox
    answered   the answer, with the key

One by one, with BEGIN and COMMIT, these are six round trips: half of what placing an order costs.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from tortoise.exceptions import IntegrityError

from libs.context import current
from libs.db import idempotency
from libs.db.database import Database
from libs.db.idempotency import Answer, InFlight, Scope
from libs.db.statement import Statement
from libs.db.unit_of_work import forbid_unit_of_work
from libs.events import outbox
from libs.events.event import Event
from services.api.orders.errors import NoCustomer
from services.api.orders.repository import CustomerDetails, Order, columns_of

# A foreign key is checked when a statement ends. The customer who is inserted here is not seen by
# the rest of it; one who was there before is.
_PLACE: Final = Statement(f"""/* orders.insert */
WITH key AS MATERIALIZED ({idempotency.CLAIM}
), free AS (
    SELECT FROM key WHERE held AND status IS NULL
), customer AS (
    INSERT INTO customers (id, name, country, revision, created_at, updated_at,
                           created_by, updated_by)
    SELECT :customer_id, :customer_name, :country, :revision, :at, :at, :actor, :actor
      FROM free
    ON CONFLICT (id) DO NOTHING
), placed AS (
    INSERT INTO orders (id, customer_id, status, currency, total, note, placed_at,
                        created_at, updated_at, created_by, updated_by)
    SELECT :order_id, :customer_id, :status, :currency, :total, :note, :at, :at, :at, :actor, :actor
      FROM free
     WHERE NOT EXISTS (SELECT FROM customers WHERE id = :customer_id AND deleted_at IS NOT NULL)
    RETURNING id
), lines AS (
    INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
    SELECT l.id, placed.id, l.position, l.service_id, l.name, l.quantity, l.unit_price, l.amount
      FROM placed, unnest(:ids::uuid[], :positions::smallint[], :services::uuid[], :names::text[],
                          :quantities::integer[], :prices::numeric[], :amounts::numeric[])
           AS l (id, position, service_id, name, quantity, unit_price, amount)
), told AS ({outbox.INSERT} FROM placed
), answered AS ({idempotency.KEEP} FROM placed
)
SELECT key.*, EXISTS (SELECT FROM placed) AS placed FROM key""")  # noqa: S608 (of constants)


class EventRows(Protocol):
    """What is needed of `libs.events.outbox.Outbox`."""

    def row(self, event: Event) -> dict[str, Any]: ...
    def committed(self, row: Mapping[str, Any]) -> None: ...


class Placement:
    """Writes new orders."""

    def __init__(self, db: Database, events: EventRows) -> None:
        self._db = db
        self._events = events

    async def place(
        self,
        order: Order,
        customer: CustomerDetails,
        event: Event,
        answer: Answer,
        *,
        scope: Scope,
        asked: bytes,
    ) -> Answer:
        """Write an order with all that belongs to it, unless the request was performed before.

        Args:
            answer: to the request; kept with its key.
            asked: the fingerprint of the request.

        Returns:
            `answer`, or the one that was given before.

        Raises:
            NoCustomer: the customer is deleted.
            InFlight, KeyReused: see `IdempotencyKeys.claim`.
        """
        forbid_unit_of_work("placing an order")
        told = self._events.row(event)
        values = {
            **_values(order, customer),
            **idempotency.claimed(scope),
            **idempotency.kept(asked, answer),
            **told,
        }
        try:
            row = await self._db.row(_PLACE.sql, *_PLACE.arguments(values))
        except IntegrityError as error:
            if idempotency.is_kept(error):
                raise InFlight(retry_after=idempotency.RETRY_AFTER_S) from error
            raise
        assert row is not None  # noqa: S101 (as in `idempotency.CLAIM`)
        if (stored := idempotency.replay(row, asked)) is not None:
            return stored
        if not row["placed"]:
            raise NoCustomer
        self._events.committed(told)
        return answer


def _values(order: Order, customer: CustomerDetails) -> dict[str, Any]:
    names = ("ids", "positions", "services", "names", "quantities", "prices", "amounts")
    return {
        "customer_id": customer.id,
        "customer_name": customer.name,
        "country": customer.country,
        "revision": customer.revision,
        "order_id": order.id,
        "status": order.status,
        "currency": order.currency,
        "total": order.total,
        "note": order.note,
        "at": order.placed_at,
        "actor": current().actor,
        **dict(zip(names, columns_of(order.lines), strict=True)),
    }
