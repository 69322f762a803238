"""Every query on messages."""

from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from libs.contracts.auth import MessageKind
from libs.db.database import Database
from services.auth.messages.models import RequestedMessage

_ADD: Final = """/* messages.add */
INSERT INTO messages (id, user_id, kind, created_at) VALUES ($1, $2, $3, $4)"""

_RECENT: Final = """/* messages.recent */
SELECT EXISTS (SELECT FROM messages WHERE user_id = $1 AND kind = $2 AND created_at > $3) AS any"""

_COMPOSE: Final = """/* messages.compose */
UPDATE messages SET token_hash = $2, token_expires_at = $3
 WHERE id = $1 AND used_at IS NULL AND user_id IS NOT NULL"""

_HOLDER: Final = """/* messages.holder */
SELECT user_id FROM messages
 WHERE token_hash = $1 AND kind = $2 AND used_at IS NULL AND token_expires_at > $3"""

# Of any number at the same time one finds it unused.
_USE: Final = """/* messages.use */
UPDATE messages SET used_at = $3
 WHERE token_hash = $1 AND kind = $2 AND used_at IS NULL AND token_expires_at > $3
RETURNING user_id"""

_VOID: Final = """/* messages.void */
UPDATE messages SET used_at = $3 WHERE user_id = $1 AND kind = $2 AND used_at IS NULL"""


class MessageStore(Protocol):
    """Messages, wherever they are. In memory: `services.auth.messages.memory`."""

    async def add(self, message: RequestedMessage) -> None:
        """Keep a new one."""

    async def recent(self, user_id: UUID | None, kind: MessageKind, since: datetime) -> bool:
        """Whether the user was sent one of this kind since; nobody never was."""

    async def find(self, message_id: UUID) -> RequestedMessage | None:
        """The message."""

    async def compose(self, message_id: UUID, token_hash: bytes, expires_at: datetime) -> bool:
        """Give a message its token, in place of one that it may have; False: it is void."""

    async def holder(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        """Whose token it is; None: it is not valid at `now`."""

    async def use(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        """The same, and it is not valid any more."""

    async def void(self, user_id: UUID, kind: MessageKind, now: datetime) -> None:
        """Make the tokens of all of the user's messages of this kind void, sent or not."""


class MessageRepository:
    """Messages in PostgreSQL; a `MessageStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, message: RequestedMessage) -> None:
        at = message.created_at
        await self._db.rows(_ADD, message.id, message.user_id, message.kind.value, at)

    async def recent(self, user_id: UUID | None, kind: MessageKind, since: datetime) -> bool:
        row = await self._db.row(_RECENT, user_id, kind.value, since)
        return row is not None and bool(row["any"])

    async def find(self, message_id: UUID) -> RequestedMessage | None:
        return await RequestedMessage.get_or_none(id=message_id)

    async def compose(self, message_id: UUID, token_hash: bytes, expires_at: datetime) -> bool:
        return await self._db.execute(_COMPOSE, message_id, token_hash, expires_at) > 0

    async def holder(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        return _user_of(await self._db.row(_HOLDER, token_hash, kind.value, now))

    async def use(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        return _user_of(await self._db.row(_USE, token_hash, kind.value, now))

    async def void(self, user_id: UUID, kind: MessageKind, now: datetime) -> None:
        await self._db.execute(_VOID, user_id, kind.value, now)


def _user_of(row: dict[str, Any] | None) -> UUID | None:
    return None if row is None else row["user_id"]
