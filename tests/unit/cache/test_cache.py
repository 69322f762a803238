"""The cache over a store in memory."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.cache.cache import Cache
from libs.cache.loading import Cached, Load
from libs.cache.memory import MemoryStore
from libs.context import RequestContext, current, transaction_open, use
from libs.errors import DeadlineExceeded, NotFound, Unavailable
from tests.clock import Clock
from tests.unit.cache.source import Source
from tests.waiting import until


async def test_loads_once_and_gives_the_same_bytes(cache: Cache) -> None:
    source = Source(b'{"a": 1}\xff')
    assert await cache.get_or_load("k", source, 60) == b'{"a": 1}\xff'
    assert await cache.get_or_load("k", source, 60) == b'{"a": 1}\xff'
    assert source.loads == 1


async def test_another_version_sees_nothing_of_it(cache: Cache, store: MemoryStore) -> None:
    await cache.get_or_load("k", Source(b"old"), 60)
    newer = Cache(store, namespace="things", version=4)
    assert await newer.get_or_load("k", Source(b"new"), 60) == b"new"


async def test_values_expire_within_a_tenth_of_their_ttl(cache: Cache, store: MemoryStore) -> None:
    for n in range(50):
        await cache.get_or_load(f"k{n}", Source(), 100)
    lives = [life for key, life in store.lives().items() if ":value:" in key]
    assert len(lives) == 50
    assert 90 <= min(lives) < 99
    assert 101 < max(lives) <= 110


async def test_every_key_has_namespace_version_and_an_end(cache: Cache, store: MemoryStore) -> None:
    source = Source(gated=True)
    loading = asyncio.create_task(cache.get_or_load("slow", source, 100))
    await cache.get_or_load("k", Source(), 100, stale_ttl=50)
    await cache.get_or_load("page 1", Source(), 100, group="pages")
    await until(lambda: source.loads, "a load under way")
    kinds = {key.split(":")[2] for key in store.lives()}
    assert kinds == {"value", "generation", "group", "lock"}
    assert all(key.startswith("things:v3:") for key in store.lives())
    assert max(store.lives().values()) < 300
    assert store.lives()["things:v3:generation:k"] > store.lives()["things:v3:value:k"]
    source.gate.set()
    await loading
    await until(lambda: not [key for key in store.lives() if ":lock:" in key], "locks given back")


async def test_an_expired_value_is_loaded_again(cache: Cache, clock: Clock) -> None:
    source = Source()
    await cache.get_or_load("k", source, 10)
    clock.now += 12
    source.value = b"v2"
    assert await cache.get_or_load("k", source, 10) == b"v2"


async def test_absence_is_not_remembered_unless_asked_for(cache: Cache, clock: Clock) -> None:
    source = Source(None)
    for _ in range(2):
        assert await cache.get_or_load("k", source, 60) is None
    assert source.loads == 2
    for _ in range(2):
        assert await cache.get_or_load("k", source, 60, negative_ttl=5, stale_ttl=100) is None
    assert source.loads == 3
    clock.now += 6
    source.value = b"there now"
    assert await cache.get_or_load("k", source, 60, negative_ttl=5, stale_ttl=100) == b"there now"


async def test_an_empty_value_is_a_value(cache: Cache) -> None:
    source = Source(b"")
    assert [await cache.get_or_load("k", source, 60, negative_ttl=5) for _ in range(2)] == [b""] * 2
    assert source.loads == 1


async def test_every_byte_is_a_value(cache: Cache) -> None:
    for value in (b"\x00", bytes(range(256)), bytes(1000)):
        source = Source(value)
        for _ in range(2):
            assert await cache.get_or_load(value.hex(), source, 60, negative_ttl=5) == value
        assert source.loads == 1


async def test_callers_at_once_share_one_load(cache: Cache) -> None:
    source = Source(gated=True)
    callers = [asyncio.create_task(cache.get_or_load("k", source, 60)) for _ in range(20)]
    other = asyncio.create_task(cache.get_or_load("other", source, 60))
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*callers, other) == [b"v1"] * 21
    assert source.loads == 2


async def test_all_who_wait_get_the_loads_error_and_the_next_one_loads(cache: Cache) -> None:
    source = Source(gated=True)
    source.error = NotFound("gone")
    callers = [asyncio.create_task(cache.get_or_load("k", source, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    source.gate.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(e) for e in errors] == [NotFound] * 3
    source.error = None
    assert await cache.get_or_load("k", source, 60) == b"v1"


async def test_cancelling_the_first_caller_does_not_cancel_the_load(cache: Cache) -> None:
    source = Source(gated=True)
    first, second = (asyncio.create_task(cache.get_or_load("k", source, 60)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()
    source.gate.set()
    assert await second == b"v1"
    assert source.loads == 1


async def test_a_load_that_all_have_left_is_stored_all_the_same(cache: Cache) -> None:
    source = Source(gated=True)
    only = asyncio.create_task(cache.get_or_load("k", source, 60))
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.wait({only})
    source.gate.set()
    await asyncio.sleep(0.01)
    assert await cache.get_or_load("k", source, 60) == b"v1"
    assert source.loads == 1


async def test_each_caller_waits_no_longer_than_its_own_deadline(cache: Cache) -> None:
    gate = asyncio.Event()
    deadlines: list[float | None] = []

    async def load() -> bytes:
        deadlines.append(current().deadline)
        await gate.wait()
        return b"v1"

    async def call(remaining: float) -> bytes | None:
        deadline = time.monotonic() + remaining
        with use(RequestContext(context_id="ctx-12345678", service="api", deadline=deadline)):
            return await cache.get_or_load("k", load, 60)

    hasty = asyncio.create_task(call(0.05))
    await asyncio.sleep(0)
    patient = asyncio.create_task(call(5))
    with pytest.raises(DeadlineExceeded):
        await hasty
    gate.set()
    assert await patient == b"v1"
    assert deadlines == [None]


async def test_a_loads_own_time_out_is_its_error(cache: Cache) -> None:
    source = Source()
    source.error = TimeoutError("the load's own")
    with pytest.raises(TimeoutError, match="own"):
        await cache.get_or_load("k", source, 60)


async def _stale(cache: Cache, load: Load) -> Cached:
    return await cache.lookup("k", load, 10, stale_ttl=100)


async def test_a_stale_value_is_loaded_again_if_that_works(cache: Cache, clock: Clock) -> None:
    source = Source()
    assert await _stale(cache, source) == Cached(b"v1")
    assert await _stale(cache, source) == Cached(b"v1")
    assert source.loads == 1
    clock.now += 12
    source.value = b"v2"
    assert await _stale(cache, source) == Cached(b"v2")


async def test_a_stale_value_stands_in_while_its_source_is_unavailable(
    cache: Cache, clock: Clock
) -> None:
    source = Source()
    await _stale(cache, source)
    clock.now += 12
    source.error = Unavailable()
    with capture_logs() as lines:
        assert await _stale(cache, source) == Cached(b"v1", stale=True)
    assert [line["event"] for line in lines] == ["cache.stale"]
    clock.now += 200
    with pytest.raises(Unavailable):
        await _stale(cache, source)


async def test_other_errors_are_not_hidden_by_a_stale_value(cache: Cache, clock: Clock) -> None:
    source = Source()
    await _stale(cache, source)
    clock.now += 12
    source.error = NotFound()
    with pytest.raises(NotFound):
        await _stale(cache, source)


async def test_invalidated_values_are_loaded_again(cache: Cache) -> None:
    source = Source()
    await cache.get_or_load("k", source, 60)
    await cache.invalidate("k", "never stored")
    await cache.invalidate()
    source.value = b"v2"
    assert await cache.get_or_load("k", source, 60) == b"v2"


async def test_a_load_that_was_overtaken_by_an_invalidation_is_not_stored(cache: Cache) -> None:
    slow, quick = Source(b"before", gated=True), Source(b"after")
    early = asyncio.create_task(cache.get_or_load("k", slow, 60))
    await asyncio.sleep(0.01)
    await cache.invalidate("k")
    assert await cache.get_or_load("k", quick, 60) == b"after"
    slow.gate.set()
    assert await early == b"before"
    assert await cache.get_or_load("k", quick, 60) == b"after"
    assert quick.loads == 1


async def test_without_the_store_everything_is_loaded(cache: Cache, store: MemoryStore) -> None:
    store.gone = True
    source = Source()
    for _ in range(3):
        assert await cache.get_or_load("k", source, 60, stale_ttl=5) == b"v1"
    assert source.loads == 3
    await cache.invalidate("k")


async def test_errors_of_the_store_are_counted_and_now_and_then_logged(store: MemoryStore) -> None:
    def counted(operation: str) -> float:
        labels = {"namespace": "failing", "operation": operation}
        return REGISTRY.get_sample_value("cache_errors_total", labels) or 0

    cache = Cache(store, namespace="failing")
    store.gone = True
    with capture_logs() as lines:
        for _ in range(3):
            await cache.get_or_load("k", Source(), 60)
        store.gone, store.full = False, True
        await cache.get_or_load("k", Source(), 60)
        store.gone = True
        await cache.invalidate("k")
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("cache.error", "warning"),
        ("cache.miss", "info"),
    ]
    assert lines[0]["detail"] == "the store is gone"
    assert [counted(o) for o in ("get", "lock", "delete")] == [3, 1, 1]


async def test_look_ups_are_logged_and_counted(store: MemoryStore) -> None:
    def counted(outcome: str) -> float:
        labels = {"namespace": "metered", "outcome": outcome}
        return REGISTRY.get_sample_value("cache_lookups_total", labels) or 0

    cache = Cache(store, namespace="metered")
    with capture_logs() as lines:
        await cache.get_or_load("a-secret-key", Source(), 60)
        await cache.get_or_load("a-secret-key", Source(), 60)
        store.gone = True
        await cache.get_or_load("a-secret-key", Source(), 60)
    assert [line["event"] for line in lines] == ["cache.miss", "cache.hit", "cache.error"]
    assert all(line["durationMs"] >= 0 for line in lines[:2])
    assert "a-secret-key" not in str(lines)
    assert [counted(o) for o in ("miss", "hit", "error")] == [1, 1, 1]


async def test_not_inside_a_transaction(cache: Cache) -> None:
    token = transaction_open.set(True)
    try:
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await cache.get_or_load("k", Source(), 60)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await cache.invalidate("k")
    finally:
        transaction_open.reset(token)
