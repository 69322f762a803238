"""What the outbox promises, whatever the broker: order, one relay, costs, cleaning."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from libs.db.unit_of_work import unit_of_work
from libs.events.cleaning import BYTES, ROWS, EventCleaner, first_id_at
from libs.events.memory import MemoryBus
from libs.events.outbox import Outbox, OutboxQueue
from libs.events.relay import Relay
from libs.events.settings import ConsumerSettings, RelaySettings
from libs.ids import uuid7
from tests.events import Noted, running
from tests.integration.events.conftest import Modules
from tests.integration.events.flow import all_published, publish, unpublished
from tests.waiting import until

TAKEOVER_S = 5.0


def texts(bus: MemoryBus) -> list[str]:
    return [Noted.from_json(record.value or b"").text for record in bus.records("notes")]


async def test_an_early_id_that_commits_late_is_neither_skipped_nor_overtaken(
    modules: Modules,
) -> None:
    """Of one aggregate the later transaction waits; others go past, and nothing is lost."""
    outbox, bus = Outbox(modules.sender), MemoryBus(partitions=1)
    begun, commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with unit_of_work(modules.sender):
            await outbox.add(Noted(note_id="a", text="a1"))
            begun.set()
            await commit.wait()

    async def fast() -> None:
        async with unit_of_work(modules.sender):
            await outbox.add(Noted(note_id="a", text="a2"))

    async with running(Relay(OutboxQueue(modules.sender), bus)):
        first = asyncio.create_task(slow())
        await begun.wait()
        second = asyncio.create_task(fast())
        await until(lambda: _waits_for_the_lock(modules), "the second waits")
        await publish(modules.sender, Noted(note_id="b", text="b1"))
        await until(lambda: texts(bus) == ["b1"], "another aggregate goes past")
        commit.set()
        await asyncio.gather(first, second)
        await until(lambda: len(texts(bus)) == 3, "all are published")
    assert texts(bus) == ["b1", "a1", "a2"]


async def _waits_for_the_lock(modules: Modules) -> bool:
    rows = await modules.receiver.rows(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name = $1",
        f"throughline/{modules.sender.name}",
    )
    return bool(rows)


async def test_racing_transactions_of_one_aggregate_are_published_as_they_committed(
    modules: Modules,
) -> None:
    outbox, bus = Outbox(modules.sender), MemoryBus(partitions=1)

    async def change() -> None:
        """Read, pause, write: the number in the event is the order of the commits."""
        async with unit_of_work(modules.sender):
            await outbox.add(Noted(note_id="a", text="begin"))
            [row] = await modules.sender.rows("SELECT count(*) AS n FROM effects")
            await modules.sender.execute("INSERT INTO effects (what) VALUES ($1)", "x")
            await outbox.add(Noted(note_id="a", text=str(row["n"])))

    async with running(Relay(OutboxQueue(modules.sender), bus, RelaySettings(batch=3))):
        await asyncio.gather(*(change() for _ in range(20)))
        await until(lambda: len(texts(bus)) == 40, "all are published")
    assert [text for text in texts(bus) if text != "begin"] == [str(n) for n in range(20)]


async def test_a_commit_wakes_the_relay(modules: Modules) -> None:
    async with OutboxQueue(modules.sender).session() as session:
        assert await session.try_claim()
        assert await session.unpublished(1) == []
        await publish(modules.sender, Noted(note_id="a"))
        async with asyncio.timeout(30):
            await session.wait(1000)
        assert len(await session.unpublished(1)) == 1


@asynccontextmanager
async def relay_process(url: str, schema: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.events.relay_process", url, schema),
        cwd=Path(__file__).parents[3],
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_relay_that_dies_or_hangs_is_replaced(
    modules: Modules, events_url: str, signum: signal.Signals
) -> None:
    bus = MemoryBus()
    relay = Relay(OutboxQueue(modules.sender), bus)
    async with relay_process(events_url, modules.sender.name) as process:
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"active\n":
                break
        async with running(relay):
            await until(lambda: relay.status.last_error is None, "it stands by")
            await publish(modules.sender, Noted(note_id="n", text="by the first"))
            await until(all_published(modules.sender), "the first publishes")
            assert not relay.status.active
            os.kill(process.pid, signum)
            began = time.monotonic()
            await until(lambda: relay.status.active, "the other takes over")
            assert time.monotonic() - began <= TAKEOVER_S
            await publish(modules.sender, Noted(note_id="n", text="by the second"))
            await until(lambda: texts(bus) == ["by the second"], "it publishes")


async def _fill(modules: Modules, rows: int) -> None:
    """Published events, and a few that are not."""
    await modules.sender.execute(
        """INSERT INTO outbox (id, topic, type, version, subject, context_id, payload,
                               occurred_at, published_at)
           SELECT gen_random_uuid(), 'notes', 'Noted', 1, n::text, 'ctx-of-a-test',
                  '{"noteId": "x"}', now(), CASE WHEN n % 10000 > 0 THEN now() END
           FROM generate_series(1, $1) AS n""",
        rows,
    )
    await modules.sender.execute("ANALYZE outbox")


async def _blocks_read(modules: Modules, sql: str) -> int:
    [row] = await modules.sender.rows(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    found = row["QUERY PLAN"]
    plan = (orjson.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    assert "Seq Scan" not in str(plan)
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_the_cost_of_looking_does_not_grow_with_the_outbox(modules: Modules) -> None:
    looking = "SELECT id FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT 10"
    marking = (
        "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY (ARRAY("
        "SELECT id FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT 1))"
        " AND published_at IS NULL"
    )
    await _fill(modules, 20_000)
    small = [await _blocks_read(modules, sql) for sql in (looking, marking)]
    await _fill(modules, 180_000)
    large = [await _blocks_read(modules, sql) for sql in (looking, marking)]
    assert all(after <= before + 30 for before, after in zip(small, large, strict=True))


async def test_old_events_are_removed_and_others_stay(modules: Modules) -> None:
    await _fill(modules, 25)
    await modules.sender.execute(
        "UPDATE outbox SET published_at = published_at - interval '8 days' WHERE seq <= 10"
    )
    await publish(modules.sender, Noted(note_id="n"))
    cleaner = EventCleaner(modules.sender, RelaySettings(clean_batch=3), ConsumerSettings())
    assert await cleaner.clean() == {"outbox": 10, "inbox": 0}
    assert await cleaner.clean() == {"outbox": 0, "inbox": 0}
    assert await unpublished(modules.sender) == 1


async def test_the_tables_are_watched(modules: Modules) -> None:
    await _fill(modules, 25)
    await modules.sender.execute("ANALYZE outbox")
    cleaner = EventCleaner(modules.sender, RelaySettings(), ConsumerSettings())

    async def is_counted() -> bool:
        await cleaner.measure()
        live = ROWS.labels(modules.sender.name, "outbox", "live")._value.get()
        return bool(live == 25)

    await until(is_counted, "PostgreSQL's estimate")
    assert BYTES.labels(modules.sender.name, "outbox")._value.get() > 8192


async def test_old_notes_of_the_inbox_are_removed_by_the_time_of_handling(
    modules: Modules,
) -> None:
    old, new = first_id_at(time.time() - 50 * 86400), uuid7()
    ids: list[tuple[str, UUID, int]] = [
        *(("a", UUID(int=old.int + n), 45) for n in range(5)),
        *(("b", UUID(int=old.int + n), 45) for n in range(5)),
        ("b", UUID(int=old.int + 9), 1),  # an old event that was handled late
        ("c", new, 0),
    ]
    for consumer, event_id, days in ids:
        await modules.receiver.execute(
            "INSERT INTO inbox (consumer, event_id, handled_at)"
            " VALUES ($1, $2, now() - make_interval(days => $3))",
            *(consumer, event_id, days),
        )
    cleaner = EventCleaner(modules.receiver, RelaySettings(clean_batch=4), ConsumerSettings())
    assert await cleaner.clean() == {"outbox": 0, "inbox": 10}
    left = await modules.receiver.rows("SELECT consumer FROM inbox ORDER BY consumer")
    assert [row["consumer"] for row in left] == ["b", "c"]


async def test_the_cleaner_runs_now_and_then(modules: Modules) -> None:
    await _fill(modules, 5)
    await modules.sender.execute("UPDATE outbox SET published_at = now() - interval '8 days'")
    often = RelaySettings(clean_every_s=0.01)
    async with running(EventCleaner(modules.sender, often, ConsumerSettings())):

        async def is_empty() -> bool:
            return not await modules.sender.rows("SELECT 1 FROM outbox")

        await until(is_empty, "the outbox is clean")
