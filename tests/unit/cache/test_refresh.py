"""What is about to expire is refreshed, while it is still answered."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from libs.cache import loading
from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.context import RequestContext, current, use
from libs.errors import NotFound
from tests.clock import Clock
from tests.unit.cache.source import Source
from tests.waiting import until

TTL = 100.0
LATE = 85.0
"""In its last fifth, and not expired."""


@pytest.fixture(autouse=True)
def punctual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "JITTER", 0.0)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_caller_refreshes_and_all_are_answered_at_once(
    cache: Cache, elsewhere: Cache, clock: Clock
) -> None:
    await cache.get_or_load("k", Source(b"old"), TTL)
    clock.now += LATE
    source = Source(b"new", gated=True)
    for each in [cache, elsewhere] * 20:
        assert await each.get_or_load("k", source, TTL) == b"old"
    await until(lambda: source.loads, "the refresh")
    source.gate.set()
    await settled()
    unused = Source(b"unused")
    assert await cache.get_or_load("k", unused, TTL) == b"new"
    assert await elsewhere.get_or_load("k", unused, TTL) == b"new"
    clock.now += TTL / 2
    assert await cache.get_or_load("k", unused, TTL) == b"new"
    assert (source.loads, unused.loads) == (1, 0)


async def test_before_its_last_fifth_a_value_is_left_alone(cache: Cache, clock: Clock) -> None:
    source = Source()
    await cache.get_or_load("k", source, TTL)
    clock.now += 79
    await cache.get_or_load("k", source, TTL)
    await settled()
    assert source.loads == 1


async def test_a_refresh_that_fails_is_counted_and_not_repeated_at_once(
    store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> float:
        labels = {"namespace": "refreshed", "operation": "refresh"}
        return REGISTRY.get_sample_value("cache_errors_total", labels) or 0

    monkeypatch.setattr(loading, "REFRESH_PAUSE_S", 0.05)
    cache = Cache(store, namespace="refreshed")
    await cache.get_or_load("k", Source(b"old"), TTL)
    clock.now += LATE
    source = Source()
    source.error = NotFound()
    for _ in range(5):
        assert await cache.get_or_load("k", source, TTL) == b"old"
        await settled()
    assert (source.loads, counted()) == (1, 1)

    async def repeated() -> bool:
        assert await cache.get_or_load("k", source, TTL) == b"old"
        return source.loads > 1

    await until(repeated, "another attempt")


async def test_a_refresh_that_is_overtaken_is_not_seen(cache: Cache, clock: Clock) -> None:
    await cache.get_or_load("k", Source(b"old"), TTL)
    clock.now += LATE
    early = Source(b"before", gated=True)
    await cache.get_or_load("k", early, TTL)
    await until(lambda: early.loads, "the refresh")
    await cache.invalidate("k")
    assert await cache.get_or_load("k", Source(b"after"), TTL) == b"after"
    early.gate.set()
    await settled()
    assert await cache.get_or_load("k", Source(b"again"), TTL) in (b"after", b"again")


async def test_absence_is_not_refreshed(cache: Cache, clock: Clock) -> None:
    source = Source(None)
    await cache.get_or_load("k", source, TTL, negative_ttl=TTL)
    clock.now += LATE
    await cache.get_or_load("k", source, TTL, negative_ttl=TTL)
    await settled()
    assert source.loads == 1


async def test_a_refresh_is_followed_under_the_id_of_its_cause_and_has_no_deadline(
    cache: Cache, clock: Clock
) -> None:
    seen = []

    async def load() -> bytes:
        seen.append((current().context_id, current().deadline))
        return b"v"

    await cache.get_or_load("k", Source(), TTL)
    clock.now += LATE
    with use(RequestContext(context_id="ctx-12345678", service="api", deadline=1e12)):
        await cache.get_or_load("k", load, TTL)
    await settled()
    assert seen == [("ctx-12345678", None)]
