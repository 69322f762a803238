"""Every query on signing keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from libs.db.database import Database
from services.auth.keys.models import StoredKey

_LOCK = """/* signing_keys.lock */
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/signing_keys', 0))"""

_NOW = "/* signing_keys.now */ SELECT clock_timestamp() AS now"


class Keys(Protocol):
    """Signing keys, wherever they are. In memory: `services.auth.keys.memory`."""

    async def all(self) -> Sequence[StoredKey]: ...

    async def now(self) -> datetime:
        """The time, by the one clock that all who add keys have in common."""

    async def add(self, key: StoredKey) -> None: ...

    async def lock(self) -> None:
        """Let nobody else add or retire keys until the unit of work ends."""

    async def retire(self, kid: str, at: datetime) -> None:
        """Note that the key is withdrawn, and forget its private half."""

    async def erase(self, kids: Sequence[str]) -> None:
        """Forget the private halves of keys."""


class KeyRepository:
    """Signing keys in PostgreSQL."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> Sequence[StoredKey]:
        return await StoredKey.all()

    async def now(self) -> datetime:
        (row,) = await self._db.rows(_NOW)
        now: datetime = row["now"]
        return now

    async def add(self, key: StoredKey) -> None:
        await key.save(force_create=True)

    async def lock(self) -> None:
        await self._db.rows(_LOCK)

    async def retire(self, kid: str, at: datetime) -> None:
        await StoredKey.filter(kid=kid).update(retired_at=at, private_key=None)

    async def erase(self, kids: Sequence[str]) -> None:
        await StoredKey.filter(kid__in=list(kids)).update(private_key=None)
