"""Requests and answers about orders.

`OrderView` describes an order for the OpenAPI document; `view` makes it, without the detour
through a model, because it is on the hot path. A test holds the two together.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.schema import Currency, Money, Schema, Timestamp, Whole, timestamp
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from services.api.orders.models import Status
from services.api.orders.repository import Assessment, Order

MAX_LINES = 50
MAX_QUANTITY = 1000
MAX_NOTE = 1000


# Written out: not every reader of the document knows \p{Cc}.
Note = Annotated[
    str,
    Field(
        max_length=MAX_NOTE,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        description="Without control characters, except for tabs and line ends",
        examples=["Ring twice"],
    ),
]


class LineWanted(Schema):
    """A service, and how much of it."""

    service_id: UUID
    quantity: Whole = Field(ge=1, le=MAX_QUANTITY)


LinesWanted = Annotated[tuple[LineWanted, ...], Field(min_length=1, max_length=MAX_LINES)]


class PlaceOrder(Schema):
    """An order to be placed."""

    currency: Currency
    lines: LinesWanted
    note: Note | None = None


class ChangeOrder(Schema):
    """A merge patch (RFC 7396) of an order: what is not there stays as it is."""

    note: Note | None = Field(None, description="null takes it away")
    lines: LinesWanted = Field(
        default_factory=tuple,
        description="All of them, at today's prices. Only while the order is pending",
    )


class OrderQuery(Schema):
    """Which orders to list."""

    status: Annotated[Status | None, Field(description="Only orders in this state")] = None
    placed_after: Annotated[
        Timestamp | None, Field(description="Only orders that were placed after this time")
    ] = None
    placed_before: Annotated[
        Timestamp | None, Field(description="Only orders that were placed before this time")
    ] = None
    customer_id: Annotated[
        UUID | None, Field(description="Only orders of this customer, of those one may see")
    ] = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class LineView(Schema):
    """A line, with the name and price that the service had when the order was placed."""

    service_id: UUID
    name: str
    quantity: int
    unit_price: Money
    amount: Money


class AssessmentView(Schema):
    """The total in the reporting currency, and the next business day of the customer's country."""

    reporting_total: Money
    rate: Annotated[str, Field(description="Of one unit of the order's currency")]
    rate_as_of: date
    stale: bool
    due_on: date


class OrderView(Schema):
    """An order."""

    id: UUID
    customer_id: UUID
    status: Status
    currency: Currency
    lines: tuple[LineView, ...]
    total: Money
    assessment: AssessmentView | None
    note: str | None
    placed_at: Timestamp
    updated_at: Timestamp
    version: int


class OrderPage(Page[OrderView]):
    """Orders, the newest first."""


def view(order: Order) -> dict[str, Any]:
    """The order as it is answered, for orjson."""
    currency = order.currency
    return {
        "id": str(order.id),  # the driver's own UUIDs mean nothing to orjson
        "customerId": str(order.customer_id),
        "status": order.status,
        "currency": currency,
        "lines": [
            {
                "serviceId": line.service_id,
                "name": line.name,
                "quantity": line.quantity,
                "unitPrice": _money(line.unit_price, currency),
                "amount": _money(line.amount, currency),
            }
            for line in order.lines
        ],
        "total": _money(order.total, currency),
        "assessment": None if order.assessment is None else _assessment(order.assessment),
        "note": order.note,
        "placedAt": timestamp(order.placed_at),
        "updatedAt": timestamp(order.updated_at),
        "version": order.version,
    }


def _assessment(assessment: Assessment) -> dict[str, Any]:
    return {
        "reportingTotal": _money(assessment.reporting_total, assessment.reporting_currency),
        "rate": f"{assessment.rate.normalize():f}",
        "rateAsOf": assessment.rate_as_of,
        "stale": assessment.stale,
        "dueOn": assessment.due_on,
    }


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": f"{amount:.2f}", "currency": currency}
