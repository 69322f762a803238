"""What tests of passwords, addresses and messages build."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.contracts.auth import Message, MessageKind, MessageRequested
from services.auth.accounts.service import Accounts
from services.auth.messages.memory import MemoryMessages
from services.auth.messages.service import Messages
from services.auth.settings import MessageSettings
from services.auth.users.models import User
from tests.unit.auth.factories import UserWorld

NEW_PASSWORD = "battery staple"
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "Password1")
"""A common password in letters that are as wide as Chinese ones."""


@dataclass
class AccountWorld(UserWorld):
    """The use cases of accounts over fakes; messages are requested as in the module."""

    link_url: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.message_store = MemoryMessages()
        self.messages = Messages(
            self.message_store,
            self.repository,
            MessageSettings.model_validate({"link_url": self.link_url}),
            publish=self._publish,
            now=self.now,
        )
        self.accounts = Accounts(
            self.manager,
            self.profiles,
            self.messages,
            self.sessions,
            work=self._work,
            publish=self._publish,
        )

    async def _notify(self, user_id: UUID, kind: MessageKind) -> None:
        await super()._notify(user_id, kind)
        await self.messages.request(user_id, kind)

    def requested(self, kind: MessageKind) -> list[MessageRequested]:
        """What was asked for, of a kind."""
        events = [event for event in self.events if isinstance(event, MessageRequested)]
        return [event for event in events if event.kind == kind]

    async def received(self, kind: MessageKind) -> Message:
        """The last message of a kind, as its user gets it."""
        return await self.messages.compose(self.requested(kind)[-1].message_id)

    async def token(self, kind: MessageKind) -> str:
        """The token in it."""
        return token_in(await self.received(kind))

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a type."""
        return [event for event in self.events if isinstance(event, kind)]

    async def logs_in(self, user: User, password: str) -> bool:
        return await self.users.authenticate(user.email, password) is not None


def token_in(message: Message) -> str:
    """The one line of a message that is indented."""
    (line,) = [line for line in message.text.splitlines() if line.startswith("    ")]
    return line.strip().rpartition("#token=")[2]
