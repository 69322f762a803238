"""The table of users."""

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField

from libs.db.models import Record

ADMIN = "admin"
CUSTOMER = "customer"

EMAIL_LENGTH = 254
DISPLAY_NAME_LENGTH = 100


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

    class Meta:
        table = "users"

    @property
    def is_superuser(self) -> bool:
        """Whether the role `admin` is among the roles."""
        return ADMIN in self.roles
