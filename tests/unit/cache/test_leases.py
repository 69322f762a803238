"""One process loads, and the others wait for it; but not for ever."""

import asyncio
import time

import pytest

from libs.cache import leases
from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.errors import NotFound
from tests.clock import Clock
from tests.unit.cache.source import Source
from tests.waiting import until

ENDLESS = 60.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are waited for as long as it takes."""
    monkeypatch.setattr(leases, "WAIT_S", ENDLESS)


@pytest.mark.usefixtures("patient")
async def test_the_others_get_what_one_has_loaded(cache: Cache, store: MemoryStore) -> None:
    source = Source(gated=True)
    caches = [Cache(store, namespace="things", version=3) for _ in range(4)]
    callers = [asyncio.create_task(each.get_or_load("k", source, 60)) for each in caches * 25]
    await until(lambda: source.loads, "the load")
    source.gate.set()
    assert await asyncio.gather(*callers) == [b"v1"] * 100
    assert source.loads == 1


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("outcome", ["error", "uncached"])
async def test_when_one_has_nothing_to_share_the_next_loads(
    cache: Cache, elsewhere: Cache, outcome: str
) -> None:
    first, second = Source(None, gated=True), Source(b"second")
    first.error = NotFound() if outcome == "error" else None
    loading = asyncio.create_task(cache.get_or_load("k", first, 60))
    await until(lambda: first.loads, "the load")
    waiting = asyncio.create_task(elsewhere.get_or_load("k", second, 60))
    for _ in range(10):
        await asyncio.sleep(0)
    assert second.loads == 0
    first.gate.set()
    await asyncio.wait({loading})
    assert await waiting == b"second"


async def test_nobody_waits_long_for_one_that_hangs(
    cache: Cache, elsewhere: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "WAIT_S", 0.05)
    hanging = Source(gated=True)
    stuck = asyncio.create_task(cache.get_or_load("k", hanging, 60))
    await until(lambda: hanging.loads, "the load")
    began = time.monotonic()
    assert await elsewhere.get_or_load("k", Source(b"own"), 60) == b"own"
    assert time.monotonic() - began >= 0.05
    hanging.gate.set()
    assert await stuck == b"v1"


@pytest.mark.usefixtures("patient")
async def test_the_lock_of_a_dead_process_expires(
    cache: Cache, elsewhere: Cache, clock: Clock
) -> None:
    hanging, own = Source(gated=True), Source(b"own")
    dead = asyncio.create_task(cache.get_or_load("k", hanging, 60))
    await until(lambda: hanging.loads, "the load")
    waiting = asyncio.create_task(elsewhere.get_or_load("k", own, 60))
    for _ in range(10):
        await asyncio.sleep(0)
    assert own.loads == 0
    clock.now += leases.LOCK_S
    assert await waiting == b"own"
    hanging.gate.set()
    await dead


@pytest.mark.usefixtures("patient")
async def test_a_load_that_is_outdated_is_not_waited_for(cache: Cache, elsewhere: Cache) -> None:
    early = Source(b"before", gated=True)
    loading = asyncio.create_task(cache.get_or_load("k", early, 60))
    await until(lambda: early.loads, "the load")
    waiting = asyncio.create_task(elsewhere.get_or_load("k", Source(b"after"), 60))
    for _ in range(10):
        await asyncio.sleep(0)
    await elsewhere.invalidate("k")
    assert await elsewhere.get_or_load("k", Source(b"after"), 60) == b"after"
    assert await waiting == b"after"
    early.gate.set()
    await loading


async def test_a_full_store_cannot_coordinate_and_harms_nobody(
    cache: Cache, elsewhere: Cache, store: MemoryStore
) -> None:
    await cache.get_or_load("kept", Source(b"kept"), 60)
    store.full = True
    source = Source()
    for each in (cache, elsewhere):
        assert await each.get_or_load("k", source, 60) == b"v1"
        assert await each.get_or_load("kept", source, 60) == b"kept"
    assert source.loads == 2
    await cache.invalidate("kept")
    assert await elsewhere.get_or_load("kept", Source(b"changed"), 60) == b"changed"


async def test_a_store_that_goes_away_while_another_loads_is_not_waited_for(
    cache: Cache, elsewhere: Cache, store: MemoryStore
) -> None:
    hanging = Source(gated=True)
    loading = asyncio.create_task(cache.get_or_load("k", hanging, 60))
    await until(lambda: hanging.loads, "the load")
    waiting = asyncio.create_task(elsewhere.get_or_load("k", Source(b"own"), 60))
    for _ in range(10):
        await asyncio.sleep(0)
    store.gone = True
    assert await waiting == b"own"
    hanging.gate.set()
    assert await loading == b"v1"
