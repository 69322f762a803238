"""Lanes, commits, stopping and rebalancing."""

import asyncio
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from libs.errors import Unavailable
from libs.events.memory import MemoryInbox
from tests.events import Noted, running
from tests.unit.events.factory import (
    CONSUMER,
    bus_with_topics,
    consumer_of,
    handler_of,
    message_of,
)
from tests.waiting import until


class Recorder:
    """A handler that remembers, and waits where it is told to.

    Attributes:
        handled: the texts of the events, in their order.
        gates: by text: what has to be set before the handler goes on.
        started: the texts of the events that were begun.
        down: the texts of the events whose dependency is down.
        poison: the texts of the events that fail.
        most_at_once: how many were being handled at the same time.
    """

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.started: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.down: set[str] = set()
        self.poison: set[str] = set()
        self.most_at_once = 0
        self._at_work = 0

    async def __call__(self, event: Noted) -> None:
        self.started.append(event.text)
        if event.text in self.down:
            raise Unavailable
        if event.text in self.poison:
            raise RuntimeError
        self._at_work += 1
        self.most_at_once = max(self.most_at_once, self._at_work)
        if gate := self.gates.get(event.text):
            await gate.wait()
        self._at_work -= 1
        self.handled.append(event.text)


def notes(key: str, texts: Iterable[str]) -> list[Noted]:
    return [Noted(note_id=key, text=text) for text in texts]


async def test_events_of_a_key_are_handled_in_order() -> None:
    bus, recorder = await bus_with_topics(), Recorder()
    async with running(consumer_of(bus, handler_of(recorder))):
        await bus.publish([message_of(event) for event in notes("k", "abcdef")])
        await until(lambda: len(recorder.handled) == 6)
    assert recorder.handled == list("abcdef")


async def test_a_key_that_waits_does_not_hold_up_another() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.gates["slow"] = asyncio.Event()
    async with running(consumer_of(bus, handler_of(recorder))):
        await bus.publish([message_of(event) for event in notes("k", ["slow", "k1", "k2"])])
        await bus.publish([message_of(event) for event in notes("l", "abc")])
        await until(lambda: recorder.handled == ["a", "b", "c"])
        recorder.gates["slow"].set()
        await until(lambda: len(recorder.handled) == 6)
    assert recorder.handled[3:] == ["slow", "k1", "k2"]


async def test_no_more_events_are_handled_at_once_than_the_setting_says() -> None:
    bus, recorder = await bus_with_topics(partitions=2), Recorder()
    gate = asyncio.Event()
    texts = [str(n) for n in range(9)]
    recorder.gates = dict.fromkeys(texts, gate)
    async with running(consumer_of(bus, handler_of(recorder), concurrency=3)):
        await bus.publish([message_of(Noted(note_id=text, text=text)) for text in texts])
        await until(lambda: len(recorder.started) == 3)
        gate.set()
        await until(lambda: len(recorder.handled) == 9)
    assert recorder.most_at_once == 3


async def test_a_poison_holds_up_only_its_own_key_and_while_it_is_paused_no_slot() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.poison = {"p"}
    consumer = consumer_of(
        bus, handler_of(recorder), concurrency=1, retry_base_s=30, retry_max_s=60
    )
    async with running(consumer):
        await bus.publish([message_of(event) for event in notes("k", "pq")])
        await until(lambda: recorder.started == ["p"])
        await bus.publish([message_of(event) for event in notes("l", "abc")])
        await until(lambda: recorder.handled == ["a", "b", "c"])
    assert recorder.started == ["p", "a", "b", "c"]


async def test_a_stuck_key_keeps_what_is_committed_where_it_is() -> None:
    bus, recorder, inbox = await bus_with_topics(partitions=1), Recorder(), MemoryInbox()
    recorder.down = {"x"}
    await bus.publish([message_of(event) for event in notes("k", "ax")])
    await bus.publish([message_of(event) for event in notes("l", "bc")])
    async with running(consumer_of(bus, handler_of(recorder), inbox=inbox)):
        await until(lambda: sorted(recorder.handled) == ["a", "b", "c"])
    recorder.down = set()
    with capture_logs() as log:
        async with running(consumer_of(bus, handler_of(recorder), inbox=inbox)):
            await until(lambda: [e["event"] for e in log].count("event.skipped") == 2)
            await until(lambda: recorder.handled[3:] == ["x"])


async def test_a_partition_waits_for_its_window_and_goes_on() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.gates["0"] = asyncio.Event()
    wanted = [str(n) for n in range(40)]
    async with running(consumer_of(bus, handler_of(recorder), window=4)):
        for text in wanted:
            await bus.publish([message_of(Noted(note_id=text, text=text))])
            await asyncio.sleep(0)
        await until(lambda: len(recorder.handled) > 2)
        recorder.gates["0"].set()
        await until(lambda: len(recorder.handled) == 40)
    assert sorted(recorder.handled) == sorted(wanted)


async def test_a_dependency_that_is_down_is_asked_seldom() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.down = {str(n) for n in range(50)}
    consumer = consumer_of(bus, handler_of(recorder), retry_base_s=0.2, outage_max_s=0.2)
    async with running(consumer):
        texts = sorted(recorder.down)
        await bus.publish([message_of(Noted(note_id=text, text=text)) for text in texts])
        await until(lambda: len(recorder.started) >= CONSUMER.concurrency + 3)
        assert len(recorder.started) < 30
        recorder.down = set()
        await until(lambda: len(recorder.handled) == 50)


async def test_a_paused_group_handles_nothing_and_then_goes_on() -> None:
    bus, recorder, inbox = await bus_with_topics(), Recorder(), MemoryInbox()
    consumer = consumer_of(bus, handler_of(recorder), inbox=inbox)
    inbox.paused_groups.add("receiver")
    async with running(consumer):
        await bus.publish([message_of(Noted(note_id="k", text="a"))])
        await until(lambda: consumer.status.paused)
        await bus.publish([message_of(Noted(note_id="l", text="b"))])
        await until(lambda: consumer.status.lag == 2)
        assert recorder.handled == []
        inbox.paused_groups.clear()
        await until(lambda: sorted(recorder.handled) == ["a", "b"])
        assert not consumer.status.paused
    inbox.paused_groups.add("receiver")
    recorder.down = set()
    restarted = consumer_of(bus, handler_of(recorder), inbox=inbox)
    async with running(restarted):
        await bus.publish([message_of(Noted(note_id="k", text="c"))])
        await until(lambda: restarted.status.lag == 1)
    assert sorted(recorder.handled) == ["a", "b"]


async def test_stopping_finishes_the_event_at_hand_and_commits_no_more_than_that() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.gates["b"] = asyncio.Event()
    await bus.publish([message_of(event) for event in notes("k", "abc")])
    consumer = consumer_of(bus, handler_of(recorder))
    async with running(consumer):
        await until(lambda: "b" in recorder.started)
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.sleep(0)
        recorder.gates["b"].set()
        await stopping
    assert recorder.handled == ["a", "b"]
    # An inbox that knows nothing: what comes again was not committed.
    async with running(consumer_of(bus, handler_of(recorder))):
        await until(lambda: len(recorder.handled) == 3)
    assert recorder.handled == ["a", "b", "c"]


async def test_what_was_handled_before_a_failure_is_committed_and_the_rest_comes_again() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.down = {"b"}
    await bus.publish([message_of(event) for event in notes("k", "abc")])
    async with running(consumer_of(bus, handler_of(recorder))):
        await until(lambda: "b" in recorder.started)
    recorder.down = set()
    async with running(consumer_of(bus, handler_of(recorder))):
        await until(lambda: len(recorder.handled) == 3)
    assert recorder.handled == ["a", "b", "c"]


async def test_killed_in_a_handler_nothing_of_it_is_committed() -> None:
    bus, recorder, inbox = await bus_with_topics(partitions=1), Recorder(), MemoryInbox()
    recorder.gates["a"] = asyncio.Event()
    await bus.publish([message_of(event) for event in notes("k", "a")])
    async with running(consumer_of(bus, handler_of(recorder), inbox=inbox)) as task:
        await until(lambda: "a" in recorder.started)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert inbox.rows == set()
    recorder.gates.clear()
    async with running(consumer_of(bus, handler_of(recorder), inbox=inbox)):
        await until(lambda: recorder.handled == ["a"])


async def test_a_rebalance_loses_nothing_and_repeats_nothing() -> None:
    bus, recorder, inbox = await bus_with_topics(), Recorder(), MemoryInbox()
    wanted = [f"{n}" for n in range(60)]
    messages = [message_of(Noted(note_id=text, text=text)) for text in wanted]
    first, second = (consumer_of(bus, handler_of(recorder), inbox=inbox) for _ in range(2))
    async with running(first):
        await bus.publish(messages[:30])
        async with running(second):
            await bus.publish(messages[30:])
            await until(lambda: len(recorder.handled) >= 60)
    assert sorted(recorder.handled) == sorted(wanted)


async def test_a_partition_is_given_up_in_the_midst_of_waiting_for_a_dependency() -> None:
    bus, recorder = await bus_with_topics(partitions=2), Recorder()
    recorder.down = {"x"}
    first, second = (consumer_of(bus, handler_of(recorder)) for _ in range(2))
    async with running(first):
        await bus.publish([message_of(Noted(note_id=str(n), text="x")) for n in range(8)])
        await until(lambda: "x" in recorder.started)
        async with running(second):
            await until(lambda: first.status.running and second.status.running)
            recorder.down = set()
            await until(lambda: len(recorder.handled) == 8)


async def test_it_survives_a_broker_that_is_not_there() -> None:
    bus, recorder = await bus_with_topics(), Recorder()
    bus.down = True
    consumer = consumer_of(bus, handler_of(recorder))
    with capture_logs() as log:
        async with running(consumer):
            await until(lambda: [e["event"] for e in log].count("consumer.failed") > 2)
            with pytest.raises(Unavailable, match=r"receiver\.consumer: Unavailable"):
                await consumer.check()
            bus.down = False
            await bus.publish([message_of(Noted(note_id="1", text="x"))])
            await until(lambda: recorder.handled == ["x"])
            await consumer.check()


async def test_a_defect_in_the_midst_of_it_is_not_the_end() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    consumer = consumer_of(bus, handler_of(recorder))
    dispatch = consumer._dispatcher.dispatch
    failures = [RuntimeError("defect")]

    async def fail_once(*args: object) -> bool:
        if failures:
            raise failures.pop()
        return await dispatch(*args)  # type: ignore[arg-type]

    consumer._dispatcher.dispatch = fail_once  # type: ignore[method-assign,assignment]
    with capture_logs() as log:
        async with running(consumer):
            await bus.publish([message_of(event) for event in notes("k", "ab")])
            await until(lambda: recorder.handled == ["a", "b"])
    assert "consumer.failed" in [line["event"] for line in log]


async def test_stopping_what_was_never_started_or_cannot_start_comes_to_an_end() -> None:
    bus = await bus_with_topics()
    await consumer_of(bus, handler_of(Recorder())).stop()
    bus.down = True
    async with running(consumer_of(bus, handler_of(Recorder()))):
        await asyncio.sleep(0)


async def test_it_knows_its_lag() -> None:
    bus, recorder = await bus_with_topics(partitions=1), Recorder()
    recorder.gates["a"] = asyncio.Event()
    consumer = consumer_of(bus, handler_of(recorder))
    assert consumer.name == "receiver.consumer"
    async with running(consumer):
        await bus.publish([message_of(event) for event in notes("k", "abc")])
        await until(lambda: consumer.status.lag == 3)
        recorder.gates["a"].set()
        await until(lambda: consumer.status.lag == 0)
