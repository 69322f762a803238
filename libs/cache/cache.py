"""Cache-aside, in bytes: what is stored is what is answered.

    look-up ── valid and fresh ────────────────────► hit (in its last fifth: refreshed meanwhile)
        └──── nothing, old, or the store is gone ──► load (one a key, in this process and others)
                                                      ├─ a value ────────────► stored, miss
                                                      └─ Unavailable, and an old
                                                         copy within stale_ttl ► stale

    <namespace>:v<version>:value:<key>               the entry, for `ttl` and `stale_ttl`
    <namespace>:v<version>:generation:<key>          what an entry must have been loaded under …
    <namespace>:v<version>:group:<group>             … or, if it belongs to a group, this
    <namespace>:v<version>:lock:<key>:<generation>   held by the one who loads

A value is fresh for `ttl` (±10 %, so that values stored together do not expire together), and kept
for `stale_ttl` more as a fallback.

What `invalidate` promises: a look-up that starts after it, in any process, does not see what was
loaded before the change. If Redis could not be told, that holds for this process alone, and the
others see it when Redis takes the repeated invalidation or the value expires. `entry.py` says how.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from libs.cache.background import Background
from libs.cache.entry import Seen, unpack
from libs.cache.invalidations import Invalidations
from libs.cache.leases import Flight, Place
from libs.cache.loading import Cached, Job, Load, Loader
from libs.cache.report import Report
from libs.cache.store import Store
from libs.context import current, transaction_open
from libs.errors import DeadlineExceeded, Unavailable

EARLY: Final = 0.2
"""The last part of its `ttl` in which a value is refreshed while it is still answered."""


class Cache:
    """The values of one kind.

    Args:
        store: where they are kept.
        namespace: of the keys, for log and metrics too.
        version: of the values' form; another one makes all stored values unreachable.
    """

    def __init__(self, store: Store, *, namespace: str, version: int = 1) -> None:
        self._store = store
        self._namespace = namespace
        prefix = f"{namespace}:v{version}"
        self._values, self._locks = f"{prefix}:value:", f"{prefix}:lock:"
        self._generations, self._groups = f"{prefix}:generation:", f"{prefix}:group:"
        self._report = Report(namespace)
        self._background = Background()
        self._invalidations = Invalidations(store, self._report, self._background)
        self._loader = Loader(store, self._invalidations, self._report, self._background)
        self._flights: dict[str, tuple[Flight, asyncio.Task[Cached]]] = {}

    async def get_or_load(
        self,
        key: str,
        load: Load,
        ttl: float,
        *,
        group: str | None = None,
        negative_ttl: float | None = None,
        stale_ttl: float = 0.0,
    ) -> bytes | None:
        """The value alone; see `lookup`."""
        found = await self.lookup(
            key, load, ttl, group=group, negative_ttl=negative_ttl, stale_ttl=stale_ttl
        )
        return found.value

    async def lookup(
        self,
        key: str,
        load: Load,
        ttl: float,
        *,
        group: str | None = None,
        negative_ttl: float | None = None,
        stale_ttl: float = 0.0,
    ) -> Cached:
        """The stored value, or the one that `load` gives, which is then stored.

        Callers of one key share one load. It goes on when a caller is cancelled or has no time
        left, and has no deadline of its own: `load` must bound itself, as our clients do. It may
        also be called in the background, for a value that is about to expire.

        Args:
            key: within the namespace.
            load: gives the value, or None if there is no such thing. It reads what has been
                committed, and no replica that lags behind.
            ttl: seconds for which a value is fresh, give or take a tenth.
            group: invalidates the value, and all others of the group; None: its key does. The same
                for all look-ups of a key.
            negative_ttl: seconds for which it is remembered that there is no such thing; None: not.
            stale_ttl: seconds after `ttl` in which the value is still good enough if `load` raises
                `Unavailable`.

        Raises:
            DeadlineExceeded: the context's deadline came before the value.
            RuntimeError: called inside a unit of work.
            Exception: what `load` raised.
        """
        self._refuse_in_transaction()
        started = time.perf_counter()
        generation = self._generations + key if group is None else self._groups + group
        place = Place(self._values + key, generation, f"{self._locks}{key}:")
        job = Job(place, load, ttl, stale_ttl, negative_ttl)
        seen = await self._look(job)
        if seen is not None and (entry := seen.entry) is not None:
            left = entry.fresh_until - self._store.now()
            if left > 0:
                if left < ttl * EARLY and entry.value is not None:
                    self._loader.refresh(job, entry)
                self._report.looked_up("hit", started)
                return Cached(entry.value)
        return await self._loaded(job, seen, started)

    async def invalidate(self, *keys: str) -> None:
        """Forget the values of these keys, after what they were made of has changed. Never raises
        for the store's sake: a failure is logged, counted, and made up for.

        Raises:
            RuntimeError: called inside a unit of work, whose changes nobody can see yet.
        """
        names = [self._generations + key for key in keys]
        await self._drop(names, [self._values + key for key in keys])

    async def invalidate_group(self, group: str) -> None:
        """Forget all values of the group; otherwise as `invalidate`."""
        await self._drop([self._groups + group])

    async def _drop(self, generations: Sequence[str], values: Sequence[str] = ()) -> None:
        self._refuse_in_transaction()
        try:
            if generations:
                await self._invalidations.send(generations, values)
        finally:  # who cannot ask the store must not share a load that began before this
            for name, (flight, _) in list(self._flights.items()):
                if flight.place.generation in generations:
                    flight.overtaken = True
                    del self._flights[name]

    async def _look(self, job: Job) -> Seen | None:
        """What the store has; None: it cannot be asked, or cannot be believed."""
        place = job.place
        if self._invalidations.outstanding(place.generation, job.life):
            return None
        try:
            return unpack(*await self._store.get(place.value, place.generation))
        except Unavailable as error:
            self._report.failed("get", error)
            return None

    async def _loaded(self, job: Job, seen: Seen | None, started: float) -> Cached:
        outcome = "miss" if seen is not None else "error"
        flight, task = self._flights.get(job.place.value, (None, None))
        if task is None or flight is None or not flight.suits(seen):
            task = self._take_off(job, seen, started)
        try:
            found = await self._wait(task)
            outcome = "stale" if found.stale else outcome
        finally:
            self._report.looked_up(outcome, started)
        return found

    def _take_off(self, job: Job, seen: Seen | None, started: float) -> asyncio.Task[Cached]:
        patience, lost = self._store.patience, time.perf_counter() - started
        if lost < patience:  # else it is this process that is late: the store would have failed
            patience -= lost
        flight = Flight(job.place)
        task = self._background.run(self._loader.fly(flight, job, seen, patience))
        task.add_done_callback(partial(self._land, job.place.value))
        self._flights[job.place.value] = flight, task
        return task

    def _land(self, name: str, task: asyncio.Task[Cached]) -> None:
        if (there := self._flights.get(name)) is not None and there[1] is task:
            del self._flights[name]

    async def _wait(self, task: asyncio.Task[Cached]) -> Cached:
        deadline = current().deadline
        patience = None if deadline is None else deadline - time.monotonic()
        try:
            async with asyncio.timeout(patience) as bound:
                return await asyncio.shield(task)
        except TimeoutError:
            if bound.expired():
                raise DeadlineExceeded from None
            raise

    def _refuse_in_transaction(self) -> None:
        if transaction_open.get():
            raise RuntimeError(f"the cache {self._namespace} is used inside a transaction")
