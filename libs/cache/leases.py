"""One loader a key across processes.

Whoever finds nothing takes a *lease* before loading: the key's generation, and a lock that is named
after it. Who does not get the lock looks every few milliseconds whether the value has come, for
`WAIT_S` at most, and then loads without. A lock is given back after the load; that of a process
that died expires. A lock says nothing about what is valid, so that losing one, or having two
loaders, costs a load and nothing else.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from libs.cache.entry import Entry, Seen, new_generation, unpack
from libs.cache.store import Store
from libs.errors import Unavailable

LOCK_S: Final = 5.0
"""After so long a load is no longer waited for, whether its process is alive or not."""

WAIT_S: Final = 1.0
"""So long others wait for a load."""

GENERATION_GRACE_S: Final = 60.0
"""A generation outlives its entries by so much: time for a load."""

_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.025

T = TypeVar("T")


class Place(NamedTuple):
    """Where in the store a key has its things.

    Attributes:
        value: the name of the entry.
        generation: the name of its generation.
        lock: what the names of its locks begin with.
    """

    value: str
    generation: str
    lock: str


@dataclass(eq=False, slots=True)
class Flight:
    """A load, for all in this process who want it.

    Attributes:
        place: what is loaded.
        generation: the current one when it began; None: it has not begun to look or to load.
        overtaken: whether this process has invalidated the place since.
    """

    place: Place
    generation: bytes | None = None
    overtaken: bool = False

    def suits(self, seen: Seen | None) -> bool:
        """Whether one who has just seen this may share its result: there was no invalidation since
        it began. Who could not ask the store cannot tell, and takes what there is."""
        return self.generation is None or seen is None or self.generation == seen.generation


class Lease(NamedTuple):
    """The right to load, and what to store under.

    Attributes:
        generation: that of the place, read before the load.
        lock: the name of the lock that we hold; None: we load without.
        until: when the lock expires, in terms of `time.monotonic()`.
    """

    generation: bytes
    lock: str | None = None
    until: float = 0.0


class Leases:
    """Gives and takes leases."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(
        self, flight: Flight, seen: Seen, *, life: float, patience: float
    ) -> Lease | Entry:
        """A lease, or the fresh entry that somebody else has stored meanwhile.

        Args:
            flight: is told the generation before it may matter.
            seen: before; there was nothing fresh.
            life: seconds that an entry may live.
            patience: seconds that the store itself may cost, before we wait for somebody else.

        Raises:
            Unavailable: the store failed, or was too slow.
        """
        give_up = time.monotonic() + WAIT_S
        pause = _FIRST_PAUSE_S
        while True:
            lease, seen = await self._within(patience, self._attempt(flight, seen, life))
            if seen.entry is not None and seen.entry.fresh_until > self._store.now():
                with suppress(Unavailable):
                    await self.give_back(lease)
                return seen.entry
            current = seen.generation == lease.generation
            if (current and lease.lock is not None) or time.monotonic() > give_up:
                return lease
            if current:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
            patience = self._store.patience

    async def lock(self, place: Place, generation: bytes) -> tuple[Lease, Seen]:
        """A lease, without a lock if somebody else has it; and what is there, seen after that."""
        name, token = place.lock + generation.hex(), new_generation()
        until = time.monotonic() + LOCK_S
        holder, found = await asyncio.gather(
            self._store.claim(name, token, LOCK_S), self._store.get(place.value, place.generation)
        )
        lease = Lease(generation, name, until) if holder == token else Lease(generation)
        return lease, unpack(*found)

    async def give_back(self, lease: Lease) -> None:
        """Let others load, unless they may already."""
        if lease.lock is not None and time.monotonic() < lease.until:
            await self._store.delete(lease.lock)

    async def _attempt(self, flight: Flight, seen: Seen, life: float) -> tuple[Lease, Seen]:
        place, generation = flight.place, seen.generation
        while generation is None:
            generation = await self._store.claim(
                place.generation, new_generation(), life + GENERATION_GRACE_S
            )
        flight.generation = generation
        return await self.lock(place, generation)

    async def _within(self, patience: float, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(patience):
                return await work
        except TimeoutError as error:
            raise Unavailable("the store is slow") from error
