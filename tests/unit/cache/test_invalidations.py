"""What the store has not heard of is not forgotten."""

import asyncio

import pytest
from structlog.testing import capture_logs

from libs.cache import invalidations
from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.errors import Unavailable
from tests.unit.cache.source import Source
from tests.waiting import until


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidations, "PAUSE_S", 0.01)


class Deaf(MemoryStore):
    """Answers, but takes no invalidations while it is `deaf`.

    Attributes:
        gates: the next invalidations wait for these, one each, before anything else.
        asked: how many invalidations there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deaf = False
        self.gates: list[asyncio.Event] = []
        self.asked = 0

    async def delete(self, *keys: str, urgent: bool = False) -> None:
        self.asked += 1
        deaf = self.deaf
        if self.gates:
            await self.gates.pop(0).wait()
        if deaf:
            raise Unavailable
        await super().delete(*keys, urgent=urgent)


@pytest.fixture
def deaf() -> Deaf:
    return Deaf()


async def read(cache: Cache, value: bytes, key: str = "k") -> bytes | None:
    return await cache.get_or_load(key, Source(value), 60)


async def test_the_writer_sees_what_it_wrote_and_the_others_as_soon_as_they_can(
    deaf: Deaf,
) -> None:
    writer, other = (Cache(deaf, namespace="things") for _ in range(2))
    assert await read(writer, b"v1") == b"v1"
    deaf.deaf = True
    with capture_logs() as lines:
        await writer.invalidate("k")
        assert await read(writer, b"v2") == b"v2"
        assert await read(writer, b"v3") == b"v3", "and nothing is stored that may be outdated"
        assert await read(other, b"v3") == b"v1"
        deaf.deaf = False
        await until(lambda: [e for e in lines if e["event"] == "cache.caught_up"], "it is told")
    assert await read(other, b"v3") == b"v3"
    assert await read(writer, b"v4") == b"v3"
    assert lines[-1]["invalidations"] == 1


async def test_groups_are_remembered_too(deaf: Deaf) -> None:
    writer, other = (Cache(deaf, namespace="things") for _ in range(2))

    async def page(cache: Cache, value: bytes) -> bytes | None:
        return await cache.get_or_load("page", Source(value), 60, group="pages")

    await page(writer, b"v1")
    deaf.deaf = True
    await writer.invalidate_group("pages")
    assert await page(writer, b"v2") == b"v2"
    deaf.deaf = False

    async def seen() -> bool:
        return await page(other, b"v2") == b"v2"

    await until(seen, "the others see it")


async def test_the_writer_shares_no_load_that_began_before_its_write(store: MemoryStore) -> None:
    cache = Cache(store, namespace="things")
    store.gone = True
    early = Source(b"before", gated=True)
    loading = asyncio.create_task(cache.get_or_load("k", early, 60))
    await until(lambda: early.loads, "the load")
    await cache.invalidate("k")
    assert await read(cache, b"after") == b"after"
    early.gate.set()
    assert await loading == b"before"


async def test_a_writer_that_is_cancelled_has_invalidated_all_the_same(deaf: Deaf) -> None:
    writer, other = (Cache(deaf, namespace="things") for _ in range(2))
    await read(writer, b"v1")
    deaf.gates.append(asyncio.Event())
    writing = asyncio.create_task(writer.invalidate("k"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    assert writing.cancelled()
    assert await read(writer, b"v2") == b"v2"

    async def seen() -> bool:
        return await read(other, b"v2") == b"v2"

    await until(seen, "the others see it")


async def test_what_is_invalidated_again_meanwhile_is_sent_again(deaf: Deaf) -> None:
    cache = Cache(deaf, namespace="things")
    deaf.deaf = True
    await cache.invalidate("k")
    on_its_way = asyncio.Event()
    deaf.gates.append(on_its_way)
    deaf.deaf = False
    await until(lambda: not deaf.gates, "the repetition")
    deaf.deaf = True
    await cache.invalidate("k")
    deaf.deaf = False
    asked = deaf.asked
    on_its_way.set()
    await until(lambda: deaf.asked > asked, "another repetition")


async def test_more_than_can_be_kept_switch_the_cache_off_for_a_while(
    deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidations, "KEPT", 2)
    cache = Cache(deaf, namespace="things")
    for key in "abcde":
        await read(cache, b"v1", key)
    deaf.deaf = True
    await cache.invalidate(*"abcd")
    deaf.deaf = False
    for key in "cde":
        assert await read(cache, b"v2", key) == b"v2", "nobody knows what has been forgotten"
    assert await cache.get_or_load("f", Source(b"v1"), 0.01) == b"v1"


async def test_without_keys_nothing_is_asked(store: MemoryStore) -> None:
    store.gone = True
    with capture_logs() as lines:
        await Cache(store, namespace="things").invalidate()
    assert lines == []
