"""Notifications to users."""

from enum import StrEnum

from tortoise import fields

from libs.db.models import Record


class Kind(StrEnum):
    """What a notification is about."""

    ORDER_CONFIRMED = "order_confirmed"


class Status(StrEnum):
    """How far a notification has come."""

    STORED = "stored"


class Notification(Record):
    """A message to a user.

    Attributes:
        context_id: of the request that led to it.
    """

    user_id = fields.UUIDField()
    kind = fields.CharEnumField(Kind, max_length=32)
    subject = fields.TextField()
    body = fields.TextField()
    context_id = fields.CharField(max_length=64)
    status = fields.CharEnumField(Status, max_length=16, default=Status.STORED)

    class Meta:
        table = "notifications"
