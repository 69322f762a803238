"""From the source into the store: for those who wait, or in the background for those to come."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, NamedTuple

from libs.cache.background import Background
from libs.cache.entry import Entry, Seen, pack
from libs.cache.invalidations import Invalidations
from libs.cache.leases import GENERATION_GRACE_S, Flight, Lease, Leases, Place
from libs.cache.report import Report
from libs.cache.store import Store
from libs.context import current, use
from libs.errors import Unavailable

JITTER: Final = 0.1

REFRESH_PAUSE_S: Final = 1.0
"""So long a value is not refreshed again after a failure, or while another process does it."""

_UNKNOWN: Final = b""
"""No generation: the load began without asking the store."""

Load = Callable[[], Awaitable[bytes | None]]


class Cached(NamedTuple):
    """The result of a look-up.

    Attributes:
        value: the bytes, or None: there is no such thing.
        stale: whether it is older than its `ttl`, because it could not be loaded again.
    """

    value: bytes | None
    stale: bool = False


class Job(NamedTuple):
    """What there is to load, and how long it is good for; see `Cache.lookup`."""

    place: Place
    load: Load
    ttl: float
    stale_ttl: float
    negative_ttl: float | None

    @property
    def life(self) -> float:
        """Seconds that an entry lives at most."""
        return (self.ttl + (self.negative_ttl or 0.0)) * (1 + JITTER) + self.stale_ttl


class Loader:
    """Loads values and stores them.

    Args:
        store: where to.
        invalidations: those that the store does not know of.
        report: told of failures.
        background: for what nobody waits for.
    """

    def __init__(
        self, store: Store, invalidations: Invalidations, report: Report, background: Background
    ) -> None:
        self._store = store
        self._leases = Leases(store)
        self._invalidations = invalidations
        self._report = report
        self._background = background
        self._refreshing: set[str] = set()

    async def fly(self, flight: Flight, job: Job, seen: Seen | None, patience: float) -> Cached:
        """The value, as somebody else has stored it meanwhile, or loaded.

        Args:
            flight: this one.
            job: what to load.
            seen: in the store before; None: it cannot be asked.
            patience: seconds that the store may still cost.

        Raises:
            Exception: what the load raised.
        """
        with use(replace(current(), deadline=None)):
            lease = None if seen is None else await self._lease(flight, job, seen, patience)
            if isinstance(lease, Entry):
                return Cached(lease.value)
            flight.generation = _UNKNOWN if lease is None else lease.generation
            try:
                value = await self._load(job, lease)
            except Unavailable:
                old = None if seen is None else seen.entry
                if old is None or old.value is None:
                    raise
                return Cached(old.value, stale=True)
            if lease is not None and flight.overtaken:  # it would displace what is newer
                self._background.run(self._give_back(lease))
            elif lease is not None:
                self._background.run(self._keep(job, lease, value))
            return Cached(value)

    def refresh(self, job: Job, entry: Entry) -> None:
        """Load a value anew, in the background, unless that is being done."""
        if job.place.value not in self._refreshing:
            self._refreshing.add(job.place.value)
            self._background.run(self._refresh(job, entry))

    async def _refresh(self, job: Job, entry: Entry) -> None:
        try:
            with use(replace(current(), deadline=None)):
                lease, seen = await self._leases.lock(job.place, entry.generation)
                if lease.lock is None:
                    await asyncio.sleep(REFRESH_PAUSE_S)
                elif seen.entry == entry:
                    await self._keep(job, lease, await self._load(job, lease))
                else:  # somebody was faster
                    await self._leases.give_back(lease)
        except Exception as error:  # noqa: BLE001 - a source fails in any way; nobody waits for it
            self._report.failed("refresh", error)
            await asyncio.sleep(REFRESH_PAUSE_S)
        finally:
            self._refreshing.discard(job.place.value)

    async def _lease(
        self, flight: Flight, job: Job, seen: Seen, patience: float
    ) -> Lease | Entry | None:
        try:
            return await self._leases.take(flight, seen, life=job.life, patience=patience)
        except Unavailable as error:
            self._report.failed("lock", error)
            return None if seen.generation is None else Lease(seen.generation)

    async def _load(self, job: Job, lease: Lease | None) -> bytes | None:
        try:
            return await job.load()
        except BaseException:
            if lease is not None:
                self._background.run(self._give_back(lease))
            raise

    async def _keep(self, job: Job, lease: Lease, value: bytes | None) -> None:
        fresh = job.negative_ttl if value is None else job.ttl
        try:
            if fresh is not None:
                await self._put(job, lease.generation, value, fresh)
        except Unavailable as error:
            self._report.failed("set", error)
        finally:
            await self._give_back(lease)

    async def _put(self, job: Job, generation: bytes, value: bytes | None, fresh: float) -> None:
        place = job.place
        if self._invalidations.outstanding(place.generation, job.life):
            return  # it may be outdated without the store's knowing it
        fresh *= random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        entry = Entry(generation, self._store.now() + fresh, value)
        life = fresh if value is None else fresh + job.stale_ttl
        await self._store.set(place.value, pack(entry), life)
        await self._store.extend(place.generation, job.life + GENERATION_GRACE_S)

    async def _give_back(self, lease: Lease) -> None:
        try:
            await self._leases.give_back(lease)
        except Unavailable as error:
            self._report.failed("lock", error)
