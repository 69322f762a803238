"""Customers: a replica of the module auth's users, as far as orders need them."""

from tortoise import fields

from libs.db.models import Record


class Customer(Record):
    """A user who has ordered, or of whom an event has told.

    Attributes:
        id: the user's.
        name: to be shown; empty once the user is deleted.
        country: ISO 3166-1 alpha-2; None if the user was deleted before we heard of it.
        revision: of the user's record that this row reflects.
    """

    name = fields.TextField()
    country = fields.CharField(max_length=2, null=True)
    revision = fields.IntField()

    class Meta:
        table = "customers"
