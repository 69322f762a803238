"""Lanes, commits, stopping and rebalancing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from libs.errors import Unavailable
from libs.events.memory import MemoryInbox
from tests.events import Noted, running
from tests.unit.events.factory import bus_with_topics, consumer_of, handler_of, message_of
from tests.waiting import until


class Recorder:
    """A handler that remembers, and waits where it is told to.

    Attributes:
        handled: the texts of the events, in their order.
        gates: by text: what has to be set before the handler goes on.
        started: the texts of the events that were begun.
    """

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.started: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.down: set[str] = set()

    async def __call__(self, event: Noted) -> None:
        self.started.append(event.text)
        if event.text in self.down:
            raise Unavailable
        if gate := self.gates.get(event.text):
            await gate.wait()
        self.handled.append(event.text)


def notes(key: str, texts: str) -> list[Noted]:
    return [Noted(note_id=key, text=text) for text in texts]


async def test_events_of_a_key_are_handled_in_order() -> None:
    bus, recorder = await bus_with_topics(), Recorder()
    async with running(consumer_of(bus, handler_of(recorder))):
        await bus.publish([message_of(event) for event in notes("k", "abcdef")])
        await until(lambda: len(recorder.handled) == 6)
    assert recorder.handled == list("abcdef")


async def test_a_partition_that_waits_does_not_hold_up_another() -> None:
    bus, recorder = await bus_with_topics(partitions=2), Recorder()
    recorder.down = {"stuck"}
    async with running(consumer_of(bus, handler_of(recorder))):
        [first] = await bus.publish([message_of(Noted(note_id="0", text="stuck"))])
        await until(lambda: "stuck" in recorder.started)
        others = [message_of(Noted(note_id=str(n), text=str(n))) for n in range(8)]
        positions = await bus.publish(others)
        expected = [str(n) for n in range(8) if positions[n].partition != first.partition]
        await until(lambda: recorder.handled == expected != [])
        recorder.down = set()
        await until(lambda: len(recorder.handled) == 9)


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
