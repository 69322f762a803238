"""Notifications to users."""

from enum import StrEnum

from tortoise import fields

from libs.db.models import Record


class Kind(StrEnum):
    """What a notification is about."""

    ORDER_CONFIRMED = "order_confirmed"
    ORDER_CANCELLED = "order_cancelled"
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (none)
    EMAIL_IN_USE = "email_in_use"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    SESSION_COMPROMISED = "session_compromised"


class Status(StrEnum):
    """How far a notification has come."""

    STORED = "stored"
    SENT = "sent"


class Notification(Record):
    """A message to a user.

    Attributes:
        body: empty if it was sent by mail: such a text may hold a token.
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
