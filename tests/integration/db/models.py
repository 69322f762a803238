"""Two tables for the tests of libs.db; migrations/ makes them."""

from tortoise import fields

from libs.db.models import Record


class Customer(Record):
    orders: fields.ReverseRelation["Order"]
    email = fields.CharField(max_length=320)

    class Meta:
        table = "customers"


class Order(Record):
    customer: fields.ForeignKeyRelation[Customer] = fields.ForeignKeyField(
        "orders.Customer", related_name="orders", on_delete=fields.RESTRICT
    )
    note = fields.CharField(max_length=200, null=True)
    total = fields.DecimalField(max_digits=12, decimal_places=2, default=0)
    tags: fields.Field[list[str]] = fields.JSONField(default=list)

    class Meta:
        table = "orders"
