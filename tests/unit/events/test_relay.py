import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from libs.context import current
from libs.errors import Unavailable
from libs.events import relay as relay_module
from libs.events.bus import Message, Position
from libs.events.envelope import Envelope
from libs.events.memory import MemoryBus
from libs.events.relay import LAG, Relay
from tests.events import Noted, running
from tests.unit.events.factory import RELAY, FakeQueue
from tests.waiting import until


class SlowBus(MemoryBus):
    """Publishes nothing before `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> list[Position]:
        await self.answers.wait()
        return await super().publish(messages)


def ids(bus: MemoryBus) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in bus.records("notes")]


async def test_all_is_published_in_order_over_several_batches() -> None:
    queue, bus = FakeQueue(*(Noted(note_id="k", text=str(n)) for n in range(5))), MemoryBus()
    async with running(Relay(queue, bus, RELAY)):
        await until(lambda: len(queue.published) == 5)
    assert ids(bus) == [str(row.id) for row in queue.rows]
    assert [Envelope.from_record(record) for record in bus.records("notes")] == queue.rows


async def test_nothing_is_marked_while_the_broker_is_down() -> None:
    queue, bus = FakeQueue(Noted(note_id="k")), MemoryBus()
    bus.down = True
    relay = Relay(queue, bus, RELAY)
    with capture_logs() as log:
        async with running(relay):
            await until(lambda: [e["event"] for e in log].count("relay.failed") > 2)
            assert queue.published == []
            with pytest.raises(Unavailable, match=r"sender\.relay: Unavailable"):
                await relay.check()
            bus.down = False
            await until(lambda: len(queue.published) == 1)
            await relay.check()


async def test_what_could_not_be_marked_is_published_again_under_the_same_id() -> None:
    queue, bus = FakeQueue(Noted(note_id="k")), MemoryBus()
    queue.mark_failures = [Unavailable()]
    async with running(Relay(queue, bus, RELAY)):
        await until(lambda: len(queue.published) == 1)
    assert ids(bus) == [str(queue.rows[0].id)] * 2


async def test_a_lost_database_is_not_the_end() -> None:
    queue, bus = FakeQueue(Noted(note_id="k")), MemoryBus()
    queue.broken = RuntimeError("gone")
    relay = Relay(queue, bus, RELAY)
    async with running(relay):
        await until(lambda: relay.status.last_error == "RuntimeError")
        queue.broken = None
        await until(lambda: len(queue.published) == 1)
        assert relay.status.last_error is None


async def test_one_is_active_and_another_takes_over() -> None:
    queue, bus = FakeQueue(), MemoryBus()
    first, second = Relay(queue, bus, RELAY), Relay(queue, bus, RELAY)
    async with running(second):
        await until(lambda: second.status.active)
        async with running(first):
            await first.check()
            await second.stop()
            await until(lambda: first.status.active)
    assert not first.status.active
    assert not queue.claimed


async def test_each_line_has_the_context_of_its_event() -> None:
    def add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["context"] = current()
        return event

    queue, bus = FakeQueue(Noted(note_id="k")), MemoryBus()
    with capture_logs(processors=[add_context]) as log:
        async with running(Relay(queue, bus, RELAY)):
            await until(lambda: len(queue.published) == 1)
    [line] = [line for line in log if line["event"] == "event.published"]
    assert line["context"].context_id == "ctx-of-a-test"
    assert (line["context"].service, line["context"].actor) == ("sender", "user-1")
    assert line["eventId"] == str(queue.rows[0].id)
    assert line.keys() >= {"eventType", "topic", "partition", "offset", "durationMs", "ageMs"}
    [active] = [line for line in log if line["event"] == "relay.active"]
    assert active["context"].service == "sender"


async def test_the_lag_is_the_age_of_the_oldest() -> None:
    queue, bus = FakeQueue(Noted(note_id="k")), MemoryBus()
    bus.down = True
    relay = Relay(queue, bus, RELAY)
    async with running(relay):
        await until(lambda: relay.status.lag_s > 0)
        assert LAG.labels("sender")._value.get() > 0
        bus.down = False
        await until(lambda: relay.status.lag_s == 0)


async def test_stopping_what_was_never_started_comes_to_an_end() -> None:
    relay = Relay(FakeQueue(), MemoryBus(), RELAY)
    await relay.stop()
    async with asyncio.timeout(1):
        await relay.run()


async def test_while_the_broker_is_slow_it_shows_the_database_that_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "BEAT_S", 0.001)
    queue, bus = FakeQueue(Noted(note_id="k")), SlowBus()
    async with running(Relay(queue, bus, RELAY)):
        await until(lambda: queue.beats > 3)
        assert queue.published == []
        bus.answers.set()
        await until(lambda: len(queue.published) == 1)


async def test_it_gives_up_what_it_publishes_when_the_claim_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "BEAT_S", 0.001)
    queue, bus = FakeQueue(Noted(note_id="k")), SlowBus()
    relay = Relay(queue, bus, RELAY)
    async with running(relay):
        await until(lambda: queue.beats > 3)
        queue.broken = Unavailable()
        await until(lambda: relay.status.last_error == "Unavailable")
        queue.broken = None
        bus.answers.set()
        await until(lambda: len(queue.published) == 1)
    assert len(ids(bus)) == 1
