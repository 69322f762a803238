"""Orders and their lines.

The tables as Tortoise sees them: what the migrations are compared with. Orders are written and
read by the single statements of `repository.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tortoise import fields
from tortoise.models import Model

from libs.db.models import Record
from libs.ids import uuid7
from services.api.customers.models import Customer


class Status(StrEnum):
    """Where an order is."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"

    def may_become(self, other: "Status") -> bool:
        """Whether an order may change from this to another. A trigger has the same rules."""
        return other in _NEXT.get(self, ())


_NEXT: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.CONFIRMED, Status.REJECTED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset({Status.CANCELLED}),
}


class OrderRecord(Record):
    """An order. The assessment's columns are all null or all not."""

    customer: fields.ForeignKeyRelation[Customer] = fields.ForeignKeyField(
        "api.Customer", related_name="orders", on_delete=fields.OnDelete.RESTRICT
    )
    status = fields.CharEnumField(Status, max_length=16)
    currency = fields.CharField(max_length=3)
    total = fields.DecimalField(max_digits=18, decimal_places=2)
    note = fields.TextField(null=True)
    placed_at = fields.DatetimeField()
    reporting_total = fields.DecimalField(max_digits=18, decimal_places=2, null=True)
    reporting_currency = fields.CharField(max_length=3, null=True)
    rate = fields.DecimalField(max_digits=24, decimal_places=12, null=True)
    rate_as_of = fields.DateField(null=True)
    stale = fields.BooleanField(null=True)
    due_on = fields.DateField(null=True)

    class Meta:
        table = "orders"


class OrderLineRecord(Model):
    """A line of an order, with the name and price that the service had when it was placed."""

    id = fields.UUIDField(primary_key=True, default=uuid7)
    order: fields.ForeignKeyRelation[OrderRecord] = fields.ForeignKeyField(
        "api.OrderRecord", related_name="lines"
    )
    position = fields.SmallIntField()
    service_id = fields.UUIDField()
    name = fields.TextField()
    quantity = fields.IntField()
    unit_price = fields.DecimalField(max_digits=18, decimal_places=2)
    amount = fields.DecimalField(max_digits=18, decimal_places=2)

    class Meta:
        table = "order_lines"
