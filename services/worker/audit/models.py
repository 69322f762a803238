"""The audit log."""

from tortoise import fields
from tortoise.models import Model

from libs.ids import uuid7


class AuditRecord(Model):
    """An event, as it was received. A trigger refuses every change.

    Attributes:
        occurred_at: when the event happened.
        recorded_at: when it was noted here.
        event_id, type, source, subject, context_id, causation_id, actor: as in its envelope.
        data: the event itself, with what a newer version of its schema has added.
    """

    id = fields.UUIDField(primary_key=True, default=uuid7)
    occurred_at = fields.DatetimeField()
    recorded_at = fields.DatetimeField(auto_now_add=True)
    event_id = fields.UUIDField(unique=True)
    type = fields.TextField()
    source = fields.TextField()
    subject = fields.TextField()
    context_id = fields.TextField()
    causation_id = fields.TextField(null=True)
    actor = fields.TextField(null=True)
    data: fields.JSONField[dict[str, object]] = fields.JSONField()

    class Meta:
        table = "audit_records"
