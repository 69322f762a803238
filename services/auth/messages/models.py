"""The table of messages to users: that they are to be sent, not what is in them."""

from tortoise import fields
from tortoise.models import Model

from libs.contracts.auth import MessageKind


class RequestedMessage(Model):
    """A message that somebody or something asked for.

    Attributes:
        user_id: None: nobody is to get it; see `service.Messages.request`.
        token_hash: the SHA-256 of the token in the message, which is made when it is composed.
        used_at: when that token was used, or became void.
    """

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField(null=True)
    kind = fields.CharEnumField(MessageKind, max_length=32)
    created_at = fields.DatetimeField()
    token_hash: bytes | None = fields.BinaryField(null=True)
    token_expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "messages"
