"""What the use cases are given, besides the users."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from libs.contracts.auth import MessageKind
from libs.db.idempotency import Answer, Scope
from libs.db.unit_of_work import AfterCommit
from libs.events.event import Event


class UnitOfWork(Protocol):
    """See `libs.db.unit_of_work.UnitOfWork`."""

    def after_commit(self, callback: AfterCommit) -> None: ...


Work = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a unit of work on the module's database."""

Publish = Callable[[Event], Awaitable[object]]
"""Adds an event to the open unit of work."""


Notify = Callable[[UUID, MessageKind], Awaitable[object]]
"""Has a user sent a message, once the open unit of work is committed."""


class Keys(Protocol):
    """See `libs.db.idempotency.IdempotencyKeys`."""

    async def once(
        self,
        scope: Scope | None,
        fingerprint: bytes,
        perform: Callable[[], Awaitable[Answer]],
    ) -> Answer: ...

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None: ...
