"""The tables of sessions and their refresh tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from tortoise import fields
from tortoise.models import Model

DEVICE_NAME_LENGTH: Final = 100


class EndReason(StrEnum):
    """Why a session was over before its time."""

    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    REVOKED = "revoked"
    """Its owner ended it from the list."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (none)
    PASSWORD_RESET = "password_reset"  # noqa: S105
    ACCOUNT_DEACTIVATED = "account_deactivated"
    ACCOUNT_DELETED = "account_deleted"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105


class Session(Model):
    """Somebody is logged in somewhere.

    Attributes:
        ip_prefix: where it was used from last.
        access_until: when its last access token expires.
        idle_until: when it is over unless it is prolonged before.
        expires_at: when it is over in any case.
    """

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    device_name = fields.CharField(max_length=DEVICE_NAME_LENGTH)
    ip_prefix = fields.CharField(max_length=43, null=True)
    created_at = fields.DatetimeField()
    last_seen_at = fields.DatetimeField()
    access_until = fields.DatetimeField()
    idle_until = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    end_reason = fields.CharField(max_length=32, null=True)

    class Meta:
        table = "sessions"

    def is_live(self, now: datetime) -> bool:
        """Whether it can be prolonged at `now`."""
        return self.ended_at is None and self.idle_until > now


class RefreshToken(Model):
    """A token that was given out; itself it is nowhere.

    Attributes:
        hash: the SHA-256 of it.
        expires_at: when it is void unless it is used before.
        successor: the hash of the token that it was exchanged for.
        retry_key: the SHA-256 of the Idempotency-Key that it was used with.
        sealed_successor: see `secrets.seal`.
    """

    hash: bytes = fields.BinaryField(primary_key=True)
    session_id = fields.UUIDField()
    issued_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    successor: bytes | None = fields.BinaryField(null=True)
    retry_key: bytes | None = fields.BinaryField(null=True)
    sealed_successor: bytes | None = fields.BinaryField(null=True)

    class Meta:
        table = "refresh_tokens"
