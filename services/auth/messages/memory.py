"""Messages in memory, for tests: the same rules, no server."""

from datetime import datetime
from uuid import UUID

from libs.contracts.auth import MessageKind
from services.auth.messages.models import RequestedMessage


class MemoryMessages:
    """Messages in a dictionary; a `repository.MessageStore`."""

    def __init__(self) -> None:
        self.messages: dict[UUID, RequestedMessage] = {}

    async def add(self, message: RequestedMessage) -> None:
        self.messages[message.id] = message

    async def recent(self, user_id: UUID | None, kind: MessageKind, since: datetime) -> bool:
        return user_id is not None and any(
            m.created_at > since for m in self._of(user_id, kind) if m.created_at is not None
        )

    async def find(self, message_id: UUID) -> RequestedMessage | None:
        return self.messages.get(message_id)

    async def compose(self, message_id: UUID, token_hash: bytes, expires_at: datetime) -> bool:
        message = self.messages.get(message_id)
        if message is None or message.used_at is not None or message.user_id is None:
            return False
        message.token_hash, message.token_expires_at = token_hash, expires_at
        return True

    async def holder(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        message = self._valid(token_hash, kind, now)
        return None if message is None else message.user_id

    async def use(self, token_hash: bytes, kind: MessageKind, now: datetime) -> UUID | None:
        message = self._valid(token_hash, kind, now)
        if message is None:
            return None
        message.used_at = now
        return message.user_id

    async def void(self, user_id: UUID, kind: MessageKind, now: datetime) -> None:
        for message in self._of(user_id, kind):
            message.used_at = message.used_at or now

    def _of(self, user_id: UUID, kind: MessageKind) -> list[RequestedMessage]:
        return [m for m in self.messages.values() if (m.user_id, m.kind) == (user_id, kind)]

    def _valid(
        self, token_hash: bytes, kind: MessageKind, now: datetime
    ) -> RequestedMessage | None:
        for message in self.messages.values():
            expires_at = message.token_expires_at
            if (message.token_hash, message.kind, message.used_at) == (token_hash, kind, None):
                return message if expires_at is not None and expires_at > now else None
        return None
