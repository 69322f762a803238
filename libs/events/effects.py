"""Carrying out what handlers do, once for each event, together with the note in the inbox.

While there is a backlog, several events share a transaction: it is the beginning and the committing
of transactions that costs most. Either all of their effects commit, with all of their notes, or
none: if one handler fails, or is slow, each of them goes on alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from libs.context import RequestContext, new_context_id, use
from libs.events.inbox import Claim, Inbox
from libs.logging import get_logger

log = get_logger()

TOGETHER_S = 1.0
"""How long the effects of several events may take together. Longer, and one of them would hold up
the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a handler does about an event.

    Attributes:
        claim: the handler's name and the event's id.
        carry_out: does it, in the event's context, in the transaction that is open.
    """

    claim: Claim
    carry_out: Callable[[], Awaitable[None]]


_Waiting = tuple[Effect, "asyncio.Future[bool | None]"]
"""With what became of it: whether it was new, or None if it is to go on alone."""


class Effects:
    """The effects of one consumer.

    Args:
        slots: as many transactions are open at once.
        size: as many events share one at most.
        service: the module, for the log.
    """

    def __init__(self, inbox: Inbox, slots: asyncio.Semaphore, *, size: int, service: str) -> None:
        self._inbox = inbox
        self._slots = slots
        self._size = size
        self._service = service
        self._waiting: deque[_Waiting] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._gathering: set[asyncio.Task[None]] = set()

    async def apply(self, effect: Effect, *, alone: bool) -> bool:
        """Carry an effect out; False if that was done before.

        Args:
            alone: whether it must not share its transaction: it has failed before.

        Raises:
            Exception: what it raises. Then nothing of it is left.
        """
        if not alone and self._slots.locked():
            new = await self._join(effect)
            if new is not None:
                return new
        async with self._slots:
            async with self._inbox.claim(*effect.claim) as new:
                if new:
                    await effect.carry_out()
            return new

    async def close(self) -> None:
        """Roll back what is shared."""
        for group in self._groups:
            group.cancel()
        await asyncio.gather(*self._groups, return_exceptions=True)
        self._waiting.clear()

    async def _join(self, effect: Effect) -> bool | None:
        """Wait for one of the next transactions, with others."""
        outcome: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((effect, outcome))
        if len(self._waiting) > len(self._gathering) * self._size:
            with use(RequestContext(context_id=new_context_id(), service=self._service)):
                group = asyncio.create_task(self._run_group())
            self._groups.add(group)
            self._gathering.add(group)
            group.add_done_callback(self._groups.discard)
            group.add_done_callback(self._gathering.discard)
        return await outcome

    async def _run_group(self) -> None:
        members: Sequence[_Waiting] = ()
        new: frozenset[Claim] | None = None
        try:
            async with self._slots:
                if (this := asyncio.current_task()) is not None:
                    self._gathering.discard(this)
                members = self._take()
                new = await self._carry_out([effect for effect, _ in members])
        except Exception as error:  # noqa: BLE001  # each of them will meet it, or not, alone
            name = type(error).__name__
            log.info("consumer.group_failed", error=name, events=len(members))
        finally:
            for effect, outcome in members:
                if not outcome.done():
                    outcome.set_result(None if new is None else effect.claim in new)

    def _take(self) -> list[_Waiting]:
        """The next ones, without those for whom nobody waits any more."""
        taken: list[_Waiting] = []
        while self._waiting and len(taken) < self._size:
            effect, outcome = self._waiting.popleft()
            if not outcome.done():
                taken.append((effect, outcome))
        return taken

    async def _carry_out(self, effects: Sequence[Effect]) -> frozenset[Claim]:
        """Carry them out in one transaction; returns which were new."""
        async with asyncio.timeout(TOGETHER_S):
            async with self._inbox.claim_all([effect.claim for effect in effects]) as new:
                for effect in effects:
                    if effect.claim in new:
                        await effect.carry_out()
            return new
