"""The deny list: sessions that have ended while an access token of theirs is still valid.

A verifier that only looks at a token would accept it until it expires. So whoever ends a session
puts it on this list, in a store that all processes share. Each process has a copy in memory, which
it brings up to date every few seconds: a request costs no more than a look into that copy.

A process that knows more than the store tells it so. That is how the list comes back when the store
has lost it, and how an entry gets there that the store could not take when it was made. While the
store does not answer, the copy is what there is: nothing is forgotten before its time.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from prometheus_client import Gauge

SIZE: Final = Gauge("throughline_deny_list_sessions", "Ended sessions with tokens still valid")
READ: Final = Gauge(
    "throughline_deny_list_read_timestamp_seconds", "When the shared deny list was last read"
)

Denials = Mapping[str, float]
"""Ids of sessions, and until when they matter: in seconds since the epoch."""


class DenyStore(Protocol):
    """The list that all processes share. Both raise `libs.errors.Unavailable` if it is not there.

    In Redis: `libs.auth.redis_deny_store.RedisDenyStore`.
    """

    async def add(self, denials: Denials) -> None:
        """Put sessions on the list; there is at least one."""

    async def read(self) -> dict[str, float]:
        """The sessions on it. Some may not matter any more."""


class MemoryDenyStore:
    """A list in memory, for tests.

    Attributes:
        failure: what it answers with, if it does not.
    """

    def __init__(self) -> None:
        self.denied: dict[str, float] = {}
        self.failure: Exception | None = None

    async def add(self, denials: Denials) -> None:
        self._answer()
        self.denied |= denials

    async def read(self) -> dict[str, float]:
        self._answer()
        return dict(self.denied)

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


class DenyList:
    """The process' copy. It contains the ids of sessions that are to be refused.

    A process has one (`libs.module.Host.share`): what the module that ends sessions puts on it is
    there at once for the verifier of the same process.
    """

    def __init__(self) -> None:
        self._store: DenyStore | None = None
        self._now: Callable[[], float] = time.time
        self._denied: dict[str, float] = {}

    def configure(self, store: DenyStore, *, now: Callable[[], float] = time.time) -> None:
        """Say where the shared list is.

        Args:
            now: seconds since the epoch.
        """
        self._store = store
        self._now = now

    async def open(self) -> None:
        """Nothing: the list is read when `refresh` is called."""

    async def close(self) -> None:
        """Nothing."""

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._denied

    async def deny(self, denials: Denials) -> None:
        """Refuse sessions, in this process from now on, and in the others when they look.

        Raises:
            Unavailable: the others cannot be told now. The next `refresh` tries again.
        """
        now = self._now()
        lasting = {session: until for session, until in denials.items() if until > now}
        self._denied |= lasting
        SIZE.set(len(self._denied))
        if lasting and self._store is not None:
            await self._store.add(lasting)

    async def refresh(self) -> None:
        """Take over what others have put on the list, and tell them what they do not know.

        Raises:
            Unavailable: the store does not answer. What is known stays.
        """
        self._forget_past()
        if self._store is None:
            return
        stored = await self._store.read()
        known = dict(self._denied)
        self._denied |= stored
        self._forget_past()
        READ.set(self._now())
        if missing := {s: until for s, until in known.items() if s not in stored}:
            await self._store.add(missing)

    def _forget_past(self) -> None:
        now = self._now()
        for session in [s for s, until in self._denied.items() if until <= now]:
            del self._denied[session]
        SIZE.set(len(self._denied))
