"""What every business table has in common."""

from datetime import UTC, datetime
from typing import Any, Self

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F
from tortoise.models import Model
from tortoise.queryset import QuerySet

from libs.context import current
from libs.errors import PreconditionFailed
from libs.ids import uuid7

ACTOR_LENGTH = 64


def _actor() -> str | None:
    return current().actor


class Record(Model):
    """A row with an identity, audit columns, soft deletion and a version.

    `create` makes one; `change` and `soft_delete` alter it under its version; `save` is refused,
    because it would overwrite what another has changed in between.
    """

    id = fields.UUIDField(primary_key=True, default=uuid7)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)
    created_by = fields.CharField(max_length=ACTOR_LENGTH, null=True, default=_actor)
    updated_by = fields.CharField(max_length=ACTOR_LENGTH, null=True, default=_actor)
    deleted_at = fields.DatetimeField(null=True)
    version = fields.IntField(default=1)

    class Meta:
        abstract = True

    @classmethod
    def live(cls) -> QuerySet[Self]:
        """The rows that are not deleted."""
        return cls.filter(deleted_at__isnull=True)

    async def change(self, **values: Any) -> None:
        """Write `values` in one statement, if the row is still as this object knows it.

        Raises:
            PreconditionFailed: it was changed or deleted since.
        """
        values |= {"updated_at": datetime.now(UTC), "updated_by": _actor()}
        unchanged = type(self).filter(pk=self.pk, version=self.version, deleted_at__isnull=True)
        if not await unchanged.update(**values, version=F("version") + 1):
            raise PreconditionFailed
        self.update_from_dict(values)
        self.version += 1

    async def soft_delete(self) -> None:
        """Mark the row as deleted.

        Raises:
            PreconditionFailed: it was changed or deleted since.
        """
        await self.change(deleted_at=datetime.now(UTC))

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Any = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        """Insert a new row.

        Raises:
            RuntimeError: the row exists; use `change`.
        """
        if self._saved_in_db:
            raise RuntimeError(f"a {type(self).__name__} that exists is altered with change()")
        await super().save(using_db, update_fields, force_create, force_update)
