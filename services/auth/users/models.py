"""The table of users."""

from typing import Final

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField

from libs.contracts.auth import DISPLAY_NAME_LENGTH
from libs.db.models import Record

ADMIN: Final = "admin"
CUSTOMER: Final = "customer"

EMAIL_LENGTH = 254


class User(Record):
    """Somebody who can log in.

    The names `hashed_password`, `is_active`, `is_superuser` and `is_verified` are those that
    fastapi-users asks for.
    """

    email = fields.CharField(max_length=EMAIL_LENGTH)
    """Normalised (`schemas.normalise_email`); unique among those who are not deleted."""
    hashed_password = fields.CharField(max_length=255, source_field="password_hash")
    display_name = fields.CharField(max_length=DISPLAY_NAME_LENGTH)
    country = fields.CharField(max_length=2)
    roles: list[str] = ArrayField("text")
    is_active = fields.BooleanField(default=True)
    is_verified = fields.BooleanField(default=False)
    """Whether the user has shown that the address is theirs."""
    erased_at = fields.DatetimeField(null=True)
    """When what is personal was taken out of the row, some time after its deletion."""

    class Meta:
        table = "users"

    @property
    def is_superuser(self) -> bool:
        """Whether the role `admin` is among the roles."""
        return ADMIN in self.roles
