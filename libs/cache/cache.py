"""Cache-aside, in bytes: what is stored is what is answered.

    look-up ── fresh ──────────────────────────────► hit
        └──── nothing, old, or the store is gone ──► load (once per key in this process)
                                                      ├─ a value ────────────► stored, miss
                                                      └─ Unavailable, and an old
                                                         copy within stale_ttl ► stale

A value lives for `ttl` (±10 %, so that values stored together do not expire together), and for
`stale_ttl` more as a fallback: its age is read from the time that the store still gives it, and so
the bytes need no envelope.

What `invalidate` promises: a look-up that starts after it, in this process, does not see the value
that was loaded before. In another process a load that had read the old state may still store it,
and a deletion that did not reach the store is lost: both last no longer than `ttl`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from prometheus_client import Counter

from libs.cache.store import Entry, Store
from libs.context import current, transaction_open, use
from libs.errors import DeadlineExceeded, Unavailable
from libs.logging import get_logger

JITTER = 0.1
_ABSENT = b"\x00"
"""Stands for "there is no such thing". No answer that we cache begins with a NUL byte."""
_QUIET_S = 5.0
_EVENTS = {"hit": "cache.hit", "miss": "cache.miss", "stale": "cache.stale"}

log = get_logger()

lookups_total = Counter("cache_lookups_total", "Cache look-ups", ["namespace", "outcome"])
errors_total = Counter(
    "cache_errors_total", "Cache commands that failed", ["namespace", "operation"]
)

Load = Callable[[], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Cached:
    """The result of a look-up.

    Attributes:
        value: the bytes, or None: there is no such thing.
        stale: whether it is older than its `ttl`, because it could not be loaded again.
    """

    value: bytes | None
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    ttl: float
    stale_ttl: float
    negative_ttl: float | None


class Cache:
    """The values of one kind, `<namespace>:v<version>:<key>` in the store.

    Args:
        store: where they are kept.
        namespace: of the keys, for log and metrics too.
        version: of the values' form; another one makes all stored values unreachable.
    """

    def __init__(self, store: Store, *, namespace: str, version: int = 1) -> None:
        self._store = store
        self._namespace = namespace
        self._prefix = f"{namespace}:v{version}:"
        self._flights: dict[str, asyncio.Task[Cached]] = {}
        self._tasks: set[asyncio.Task[Cached]] = set()
        self._quiet_until = 0.0

    async def get_or_load(
        self,
        key: str,
        load: Load,
        ttl: float,
        *,
        negative_ttl: float | None = None,
        stale_ttl: float = 0.0,
    ) -> bytes | None:
        """The value alone; see `lookup`."""
        found = await self.lookup(key, load, ttl, negative_ttl=negative_ttl, stale_ttl=stale_ttl)
        return found.value

    async def lookup(
        self,
        key: str,
        load: Load,
        ttl: float,
        *,
        negative_ttl: float | None = None,
        stale_ttl: float = 0.0,
    ) -> Cached:
        """The stored value, or the one that `load` gives, which is then stored.

        Callers of one key share one load. It goes on when a caller is cancelled or has no time
        left, and has no deadline of its own: `load` must bound itself, as our clients do.

        Args:
            key: within the namespace.
            load: gives the value, or None if there is no such thing.
            ttl: seconds for which a value is fresh, give or take a tenth.
            negative_ttl: seconds for which it is remembered that there is no such thing; None: not.
            stale_ttl: seconds after `ttl` in which the value is still good enough if `load` raises
                `Unavailable`. The same for all look-ups of a namespace.

        Raises:
            DeadlineExceeded: the context's deadline came before the value.
            RuntimeError: called inside a unit of work.
            Exception: what `load` raised.
        """
        self._refuse_in_transaction()
        started = time.perf_counter()
        name = self._prefix + key
        flight = self._flights.get(name)
        outcome = "miss"
        if flight is None:
            try:
                entry = await self._read(name, stale_ttl)
            except Unavailable as error:
                entry, outcome = None, "error"
                self._failed("get", error)
            if entry is not None and (entry.value == _ABSENT or entry.remaining > stale_ttl):
                self._note("hit", started)
                return Cached(None if entry.value == _ABSENT else entry.value)
            terms = _Terms(ttl=ttl, stale_ttl=stale_ttl, negative_ttl=negative_ttl)
            flight = self._flights.get(name) or self._take_off(name, load, terms, entry)
        try:
            found = await self._wait(flight)
            outcome = "stale" if found.stale else outcome
        finally:
            self._note(outcome, started)
        return found

    async def invalidate(self, *keys: str) -> None:
        """Forget values, after what they were made of has changed. Never raises for the store's
        sake: a failure is logged and counted.

        Raises:
            RuntimeError: called inside a unit of work, whose changes nobody can see yet.
        """
        self._refuse_in_transaction()
        names = [self._prefix + key for key in keys]
        for name in names:
            self._flights.pop(name, None)
        try:
            await self._store.delete(*names)
        except Unavailable as error:
            self._failed("delete", error)

    async def _read(self, name: str, stale_ttl: float) -> Entry | None:
        if stale_ttl > 0:
            return await self._store.get_entry(name)
        value = await self._store.get(name)
        return None if value is None else Entry(value, remaining=float("inf"))

    def _take_off(
        self, name: str, load: Load, terms: _Terms, old: Entry | None
    ) -> asyncio.Task[Cached]:
        task = asyncio.create_task(self._fly(name, load, terms, old))
        self._flights[name] = task
        self._tasks.add(task)
        task.add_done_callback(partial(self._land, name))
        return task

    def _land(self, name: str, task: asyncio.Task[Cached]) -> None:
        self._tasks.discard(task)
        if self._flights.get(name) is task:
            del self._flights[name]
        if not task.cancelled():
            task.exception()  # seen: every caller may have left

    async def _fly(self, name: str, load: Load, terms: _Terms, old: Entry | None) -> Cached:
        """One load, for all who wait. A lock across processes would go around `load`."""
        with use(replace(current(), deadline=None)):
            try:
                value = await load()
            except Unavailable:
                if old is None:
                    raise
                return Cached(old.value, stale=True)
            if self._flights.get(name) is asyncio.current_task():  # else: invalidated meanwhile
                await self._keep(name, value, terms)
            return Cached(value)

    async def _keep(self, name: str, value: bytes | None, terms: _Terms) -> None:
        if value is None and terms.negative_ttl is None:
            return
        if value == _ABSENT:
            raise ValueError(f"a value of {self._namespace} looks like the mark of absence")
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        try:
            if value is None:
                await self._store.set(name, _ABSENT, (terms.negative_ttl or 0.0) * spread)
            else:
                await self._store.set(name, value, terms.ttl * spread + terms.stale_ttl)
        except Unavailable as error:
            self._failed("set", error)

    async def _wait(self, flight: asyncio.Task[Cached]) -> Cached:
        deadline = current().deadline
        patience = None if deadline is None else deadline - time.monotonic()
        try:
            async with asyncio.timeout(patience) as bound:
                return await asyncio.shield(flight)
        except TimeoutError:
            if bound.expired():
                raise DeadlineExceeded from None
            raise

    def _refuse_in_transaction(self) -> None:
        if transaction_open.get():
            raise RuntimeError(f"the cache {self._namespace} is used inside a transaction")

    def _note(self, outcome: str, started: float) -> None:
        lookups_total.labels(self._namespace, outcome).inc()
        if outcome == "error":
            return  # `cache.error` has been logged, or one like it a moment ago
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        log.info(_EVENTS[outcome], namespace=self._namespace, durationMs=milliseconds)

    def _failed(self, operation: str, error: Unavailable) -> None:
        errors_total.labels(self._namespace, operation).inc()
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _QUIET_S
        cause = type(error.__cause__ or error).__name__
        log.warning("cache.error", namespace=self._namespace, operation=operation, error=cause)
