"""What the use cases of sessions ask of whoever keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.auth.sessions.clients import Client
from services.auth.sessions.models import EndReason, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What an access token says of a user.

    Attributes:
        revision: the version of the user's record.
    """

    id: UUID
    roles: tuple[str, ...]
    display_name: str
    country: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that begins.

    Attributes:
        password_hash: the user's, as it was when the password was verified.
        token: the hash of its first refresh token.
    """

    id: UUID
    user_id: UUID
    password_hash: str = field(repr=False)
    client: Client
    token: bytes
    now: datetime
    access_until: datetime
    idle_until: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A refresh token for another one.

    Attributes:
        token, successor: hashes.
        retry_key: the hash of the key that the same request would come with again.
        sealed: the successor itself, for who has the token.
    """

    token: bytes
    successor: bytes
    retry_key: bytes | None
    sealed: bytes | None = field(repr=False)
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prolonging:
    """A session that is used again.

    Attributes:
        idle_until: when it is over unless it is used again, should it last so long.
    """

    session_id: UUID
    client: Client
    now: datetime
    access_until: datetime
    idle_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prolonged:
    """What was prolonged.

    Attributes:
        idle_until: as long as it lasts.
    """

    holder: Holder
    idle_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A refresh token as it is found.

    Attributes:
        used_at: None: it was not.
        successor_used: whether the token that it was exchanged for was used, too.
        live: whether its session is.
    """

    session_id: UUID
    user_id: UUID
    live: bool
    used_at: datetime | None
    successor_used: bool
    retry_key: bytes | None
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A session that was ended.

    Attributes:
        access_until: when its last access token expires.
    """

    session_id: UUID
    user_id: UUID
    access_until: datetime


class Store(Protocol):
    """Sessions, wherever they are: `repository.SessionRepository`, `memory.MemorySessions`.

    Everything that changes something is called in a unit of work.
    """

    async def begin(self, new: NewSession) -> Holder | None:
        """Add a session; None: the user is not active any more, or has another password.

        Nobody can take the account away, or end all its sessions, without seeing this one.
        """

    async def exchange(self, exchange: Exchange) -> UUID | None:
        """Note that a token is used, by the first who does; the id of its session.

        Others wait until that is committed. None: somebody was faster, or it is not valid.
        """

    async def succeed(self, exchange: Exchange, session_id: UUID, expires_at: datetime) -> None:
        """Add the token that another was exchanged for; what older ones have sealed is gone."""

    async def prolong(self, prolonging: Prolonging) -> Prolonged | None:
        """Prolong a session; None: it is over, or its user not active any more."""

    async def find(self, token: bytes, now: datetime) -> Used | None:
        """A refresh token, by its hash; None: there never was one, or long ago."""

    async def end(
        self,
        user_id: UUID,
        *,
        reason: EndReason,
        now: datetime,
        only: UUID | None = None,
        except_: UUID | None = None,
    ) -> Sequence[Ended]:
        """End live sessions of a user: all, or one, or all but one."""

    async def page(
        self, user_id: UUID, *, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Session]:
        """The live sessions of a user, the newest first."""
