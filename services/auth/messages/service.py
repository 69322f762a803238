"""Messages to users: asked for here, sent by the module `worker`, which comes for each of them.

So neither address nor token is in an event, and a token is made no sooner than it is sent.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from libs.contracts.auth import Message, MessageKind, MessageRequested
from libs.errors import FieldError
from libs.ids import uuid7
from services.auth.messages.errors import InvalidMessageToken, MessageNotFound
from services.auth.messages.models import RequestedMessage
from services.auth.messages.repository import MessageStore
from services.auth.messages.texts import has_token, written
from services.auth.settings import MessageSettings
from services.auth.users.ports import Publish
from services.auth.users.repository import Users

SEND_WITHIN: Final = timedelta(days=1)
"""A message that could not be sent for so long is not sent: nobody expects it any more."""

FOR_STRANGERS: Final = frozenset(
    {MessageKind.VERIFY_EMAIL, MessageKind.RESET_PASSWORD, MessageKind.EMAIL_IN_USE}
)
"""What somebody who is not logged in can have sent to a user."""


class Messages:
    """The use cases.

    Args:
        store: where they are.
        users: has the addresses.
        publish: adds an event to the open unit of work.
        now: the time.
    """

    def __init__(
        self,
        store: MessageStore,
        users: Users,
        settings: MessageSettings,
        *,
        publish: Publish,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._users = users
        self._settings = settings
        self._publish = publish
        self._now = now

    async def request(self, user_id: UUID | None, kind: MessageKind) -> None:
        """Have a message sent, once the open unit of work is committed.

        Args:
            user_id: None: there is no such user, and nothing is sent. The work is the same, so that
                whoever waits for the answer does not find out.
        """
        now = self._now()
        if kind in FOR_STRANGERS:
            pause = timedelta(seconds=self._settings.pause_s)
            if await self._store.recent(user_id, kind, now - pause):
                user_id = None  # so that nobody fills another's mailbox
        message = RequestedMessage(id=uuid7(), user_id=user_id, kind=kind, created_at=now)
        await self._store.add(message)
        requested = MessageRequested(message_id=message.id, user_id=user_id, kind=kind.value)
        await self._publish(requested)

    async def compose(self, message_id: UUID) -> Message:
        """The message, with a new token if it has one. The token of a message that was composed
        before is void: of a message that is sent twice the second one counts.

        Raises:
            MessageNotFound: there is none to be sent.
        """
        message, now = await self._store.find(message_id), self._now()
        if message is None or message.user_id is None or now > message.created_at + SEND_WITHIN:
            raise MessageNotFound
        user = await self._users.get(message.user_id)
        if user is None or not user.is_active:
            raise MessageNotFound
        token: str | None = None
        if has_token(message.kind):
            token = secrets.token_urlsafe(32)
            until = now + timedelta(seconds=self._settings.token_s)
            if not await self._store.compose(message_id, _digest(token), until):
                raise MessageNotFound
        minutes = int(self._settings.token_s // 60)
        text = written(message.kind, token, link_url=self._settings.link_url, minutes=minutes)
        return Message(kind=message.kind, to=user.email, subject=text.subject, text=text.body)

    async def holder(self, token: str, kind: MessageKind) -> UUID:
        """Whom the token of a message was sent to. It can be used afterwards.

        Raises:
            InvalidMessageToken: it is not valid.
        """
        return _known(await self._store.holder(_digest(token), kind, self._now()))

    async def use(self, token: str, kind: MessageKind) -> UUID:
        """The same, in the open unit of work, and for the last time.

        Raises:
            InvalidMessageToken: it is not valid.
        """
        return _known(await self._store.use(_digest(token), kind, self._now()))

    async def void(self, user_id: UUID, kind: MessageKind) -> None:
        """In the open unit of work, make tokens void that the user was or will be sent."""
        await self._store.void(user_id, kind, self._now())


def _digest(token: str) -> bytes:
    """It is 256 random bits: a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _known(user_id: UUID | None) -> UUID:
    if user_id is None:
        raise invalid_token()
    return user_id


def invalid_token() -> InvalidMessageToken:
    """The error, pointed at the place where tokens are in requests."""
    wrong = FieldError("/token", InvalidMessageToken.code, InvalidMessageToken.title)
    return InvalidMessageToken(errors=(wrong,))
