"""Every query about customers."""

from datetime import UTC, datetime
from uuid import UUID

from libs.context import current
from libs.db.database import Database

_UPSERT = """/* customers.upsert */
INSERT INTO customers AS c (id, name, country, revision, created_at, updated_at,
                            created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $5, $6, $6)
ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, country = excluded.country, revision = excluded.revision,
       updated_at = excluded.updated_at, updated_by = excluded.updated_by,
       deleted_at = NULL, version = c.version + 1
 WHERE c.revision < excluded.revision"""

_DELETE = """/* customers.delete */
INSERT INTO customers AS c (id, name, revision, created_at, updated_at, created_by, updated_by,
                            deleted_at)
VALUES ($1, '', $2, $3, $3, $4, $4, $3)
ON CONFLICT (id) DO UPDATE
   SET name = '', revision = excluded.revision,
       updated_at = excluded.updated_at, updated_by = excluded.updated_by,
       deleted_at = excluded.deleted_at, version = c.version + 1
 WHERE c.revision < excluded.revision"""


class CustomerRepository:
    """The customers in the module's schema."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def upsert(self, user_id: UUID, *, name: str, country: str, revision: int) -> bool:
        """Take over a state of the user, unless a later one is known; tells whether it was new."""
        values = (user_id, name, country, revision, datetime.now(UTC), current().actor)
        return await self._db.execute(_UPSERT, *values) > 0

    async def delete(self, user_id: UUID, *, revision: int) -> bool:
        """Note that the user is deleted, unless a later state is known; tells whether it was new.

        A user we never heard of leaves a row too, so that an event that comes late cannot bring
        them back.
        """
        values = (user_id, revision, datetime.now(UTC), current().actor)
        return await self._db.execute(_DELETE, *values) > 0
