"""What is outdated is not seen, here or elsewhere, however late it is stored."""

import asyncio

from libs.cache.cache import Cache
from libs.cache.loading import Cached
from libs.cache.memory import MemoryStore
from libs.errors import Unavailable
from tests.clock import Clock
from tests.unit.cache.source import Source
from tests.waiting import until


def keys(store: MemoryStore, kind: str) -> list[str]:
    return [key for key in store.lives() if f":{kind}:" in key]


async def test_an_invalidation_is_seen_elsewhere(cache: Cache, elsewhere: Cache) -> None:
    await cache.get_or_load("k", Source(b"before"), 60)
    assert await elsewhere.get_or_load("k", Source(b"unused"), 60) == b"before"
    await elsewhere.invalidate("k")
    assert await cache.get_or_load("k", Source(b"after"), 60) == b"after"
    assert await elsewhere.get_or_load("k", Source(b"unused"), 60) == b"after"


async def test_what_was_loaded_before_an_invalidation_elsewhere_is_not_seen_after_it(
    cache: Cache, elsewhere: Cache, store: MemoryStore
) -> None:
    early, late = Source(b"before", gated=True), Source(b"after")
    loading = asyncio.create_task(cache.get_or_load("k", early, 60))
    await until(lambda: early.loads, "the load")
    await elsewhere.invalidate("k")
    early.gate.set()
    assert await loading == b"before"
    await until(lambda: keys(store, "value") and not keys(store, "lock"), "it is stored")
    assert await elsewhere.get_or_load("k", late, 60) == b"after"
    assert await cache.get_or_load("k", late, 60) == b"after"
    assert late.loads == 1


async def test_nobody_shares_a_load_that_an_invalidation_elsewhere_has_overtaken(
    cache: Cache, elsewhere: Cache
) -> None:
    early, late = Source(b"before", gated=True), Source(b"after", gated=True)
    first = asyncio.create_task(cache.get_or_load("k", early, 60))
    await until(lambda: early.loads, "the load")
    second = asyncio.create_task(cache.get_or_load("k", Source(b"unused"), 60))
    for _ in range(10):
        await asyncio.sleep(0)
    await elsewhere.invalidate("k")
    others = [asyncio.create_task(cache.get_or_load("k", late, 60)) for _ in range(5)]
    await until(lambda: late.loads, "another load")
    late.gate.set()
    assert await asyncio.gather(*others) == [b"after"] * 5
    assert late.loads == 1
    early.gate.set()
    assert (await first, await second) == (b"before", b"before")


class SlowToLock(MemoryStore):
    """Gives out locks once `gate` is open.

    Attributes:
        comes: key and value that somebody else stores as soon as a lock is asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.comes: tuple[str, bytes] | None = None

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        if ":lock:" in key:
            if self.comes is not None:
                await self.set(*self.comes, 60)
                self.comes = None
            await self.gate.wait()
        return await super().claim(key, value, ttl)


async def test_nobody_shares_what_was_found_before_an_invalidation_elsewhere() -> None:
    store = SlowToLock()
    cache, elsewhere = (Cache(store, namespace="things") for _ in range(2))
    store.gate.set()
    await elsewhere.get_or_load("k", Source(b"before"), 60)
    (stored,) = await store.get("things:v1:value:k")
    assert stored is not None
    await store.delete("things:v1:value:k")
    store.comes = ("things:v1:value:k", stored)
    store.gate.clear()
    first = asyncio.create_task(cache.get_or_load("k", Source(b"unused"), 60))
    await until(lambda: store.comes is None, "it is about to find what is there")
    await elsewhere.invalidate("k")
    second = asyncio.create_task(cache.get_or_load("k", Source(b"after"), 60))
    for _ in range(10):
        await asyncio.sleep(0)
    store.gate.set()
    assert (await first, await second) == (b"before", b"after")


async def test_a_group_is_invalidated_as_one(cache: Cache, elsewhere: Cache) -> None:
    async def pages(version: bytes) -> list[bytes | None]:
        loads = [Source(b"%b of page %d" % (version, n)) for n in range(3)]
        return [
            await cache.get_or_load(f"page {n}", load, 60, group="pages")
            for n, load in enumerate(loads)
        ]

    before = await pages(b"v1")
    await cache.get_or_load("item", Source(b"item v1"), 60)
    await elsewhere.invalidate("pages")  # that would be a key
    assert await pages(b"v2") == before
    await elsewhere.invalidate_group("pages")
    assert await pages(b"v3") == [b"v3 of page 0", b"v3 of page 1", b"v3 of page 2"]
    assert await cache.get_or_load("item", Source(b"unused"), 60) == b"item v1"


async def test_a_lost_generation_takes_its_entries_with_it(
    cache: Cache, store: MemoryStore
) -> None:
    """The store evicts what it likes. A value whose generation is gone may be outdated."""
    await cache.get_or_load("k", Source(b"v1"), 60, stale_ttl=60)
    await store.delete("things:v3:generation:k")
    assert await cache.get_or_load("k", Source(b"v2"), 60, stale_ttl=60) == b"v2"


async def test_what_is_no_entry_is_not_taken_for_one(cache: Cache, store: MemoryStore) -> None:
    for rubbish in (b"", b"short", bytes(16), bytes(100)):
        await store.set("things:v3:generation:k", bytes(16), 60)
        await store.set("things:v3:value:k", rubbish, 60)
        source = Source(b"loaded")
        assert await cache.get_or_load("k", source, 60) == b"loaded"
        await cache.invalidate("k")


async def test_an_outdated_value_does_not_stand_in_either(cache: Cache, clock: Clock) -> None:
    await cache.lookup("k", Source(), 10, stale_ttl=100)
    clock.now += 12
    gone = Source()
    gone.error = Unavailable()
    assert await cache.lookup("k", gone, 10, stale_ttl=100) == Cached(b"v1", stale=True)
    await cache.invalidate("k")
    found = await asyncio.gather(cache.lookup("k", gone, 10, stale_ttl=100), return_exceptions=True)
    assert [type(error) for error in found] == [Unavailable]


async def test_what_is_created_replaces_the_memory_of_its_absence(
    cache: Cache, elsewhere: Cache
) -> None:
    assert await cache.get_or_load("k", Source(None), 60, negative_ttl=60) is None
    await elsewhere.invalidate("k")
    assert await cache.get_or_load("k", Source(b"new"), 60, negative_ttl=60) == b"new"
