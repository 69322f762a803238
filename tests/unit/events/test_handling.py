"""What the dispatcher does about handlers that succeed, fail and hang."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from libs.context import current
from libs.errors import Conflict, InvalidInput, Unavailable
from libs.events.bus import Headers, Record
from libs.events.handling import AnyHandler, Dispatcher, Handler, received
from libs.events.memory import MemoryBus, MemoryInbox
from libs.events.topics import dead_letter_topic
from tests.events import Noted, envelope_of
from tests.unit.events.factory import CONSUMER, Forgotten, bus_with_topics, handler_of
from tests.waiting import until

NEVER = asyncio.Event()


class Bench:
    """A dispatcher, with what goes in and what comes out."""

    def __init__(self, bus: MemoryBus, *handlers: AnyHandler) -> None:
        self.bus = bus
        self.inbox = MemoryInbox()
        self.interrupted = asyncio.Event()
        self.dispatcher = Dispatcher(
            inbox=self.inbox, bus=bus, group="receiver", handlers=handlers, settings=CONSUMER
        )

    async def record(self, event: Noted | Forgotten) -> Record:
        """An event, as it arrives."""
        [position] = await self.bus.publish([envelope_of(event).to_message()])
        return next(r for r in self.bus.records("notes") if r.position == position)

    async def send(self, event: Noted | Forgotten) -> bool:
        return await self.dispatcher.dispatch(await self.record(event), self.interrupted)

    def dead(self) -> list[dict[str, bytes]]:
        return [dict(record.headers) for record in self.bus.records(dead_letter_topic("receiver"))]


async def bench_of(*handlers: AnyHandler) -> Bench:
    return Bench(await bus_with_topics(), *handlers)


class Failing:
    """A handler that raises each of these, one a call, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, _: Noted) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


async def test_an_event_is_handled_once_however_often_it_comes() -> None:
    handle = Failing()
    bench = await bench_of(handler_of(handle))
    record = await bench.record(Noted(note_id="1"))
    with capture_logs() as log:
        for _ in range(2):
            assert await bench.dispatcher.dispatch(record, bench.interrupted)
    assert handle.calls == 1
    assert [line["event"] for line in log] == ["event.consumed", "event.skipped"]


@pytest.mark.parametrize("error", [Conflict(), RuntimeError("defect"), TimeoutError()])
async def test_a_failure_is_tried_again(error: Exception) -> None:
    handle = Failing(error, error)
    bench = await bench_of(handler_of(handle))
    with capture_logs() as log:
        assert await bench.send(Noted(note_id="1"))
    assert handle.calls == 3
    assert [line["event"] for line in log] == ["event.retry", "event.retry", "event.consumed"]
    assert log[-1]["attempt"] == 3
    assert bench.dead() == []


async def test_after_the_last_attempt_comes_the_dead_letter() -> None:
    handle = Failing(*[RuntimeError("defect")] * 5)
    bench = await bench_of(handler_of(handle))
    assert await bench.send(Noted(note_id="1"))
    assert handle.calls == CONSUMER.attempts
    [headers] = bench.dead()
    assert headers["deadletter-attempts"] == b"3"
    assert headers["deadletter-error"] == b"RuntimeError"
    assert bench.inbox.rows == set()


async def test_wrong_input_is_not_tried_again() -> None:
    handle = Failing(InvalidInput("never"))
    bench = await bench_of(handler_of(handle))
    assert await bench.send(Noted(note_id="1"))
    assert handle.calls == 1
    [headers] = bench.dead()
    assert headers["deadletter-error"] == b"invalid_input"
    assert headers["deadletter-reason"] == b"never"


@pytest.mark.parametrize("error", [Unavailable(), ConnectionRefusedError()])
async def test_a_dependency_that_is_down_is_waited_for(error: Exception) -> None:
    handle = Failing(*[error] * (CONSUMER.attempts * 3))
    bench = await bench_of(handler_of(handle))
    assert await bench.send(Noted(note_id="1"))
    assert handle.calls == CONSUMER.attempts * 3 + 1
    assert bench.dead() == []


async def test_waiting_ends_when_interrupted_and_the_event_is_not_done() -> None:
    handle = Failing(*[Unavailable()] * 1_000_000)
    bench = await bench_of(handler_of(handle))
    sending = asyncio.create_task(bench.send(Noted(note_id="1")))
    await until(lambda: handle.calls > 5)
    bench.interrupted.set()
    assert await sending is False
    assert bench.inbox.rows == set()


async def test_a_handler_that_hangs_is_a_failure() -> None:
    async def hang(_: Noted) -> None:
        await NEVER.wait()

    bench = await bench_of(handler_of(hang))
    settings = CONSUMER.model_copy(update={"handler_timeout_s": 0.01})
    bench.dispatcher._settings = settings
    assert await bench.send(Noted(note_id="1"))
    [headers] = bench.dead()
    assert headers["deadletter-error"] == b"TimeoutError"


async def test_a_payload_that_is_no_such_event_is_dead_and_its_values_are_not_told() -> None:
    bench = await bench_of(handler_of(Failing()))
    record = replace(await bench.record(Noted(note_id="1")), value=b'{"noteId": {"secret": 1}}')
    assert await bench.dispatcher.dispatch(record, bench.interrupted)
    [headers] = bench.dead()
    assert headers["deadletter-error"] == b"events.malformed"
    assert headers["deadletter-reason"] == b"Noted 1: noteId: string_type"


async def test_a_newer_version_is_read_and_if_that_fails_it_is_dead_as_newer() -> None:
    handle = Failing()
    bench = await bench_of(handler_of(handle))
    newer = [
        envelope_of(Noted(note_id="1"), version=2, data=data).to_message()
        for data in (
            b'{"noteId": "1", "unknown": true}',
            b'{"id": "1"}',
        )
    ]
    for position in await bench.bus.publish(newer):
        record = next(r for r in bench.bus.records("notes") if r.position == position)
        assert await bench.dispatcher.dispatch(record, bench.interrupted)
    assert handle.calls == 1
    [headers] = bench.dead()
    assert headers["deadletter-error"] == b"events.newer"


async def test_a_record_that_is_no_event_is_dead_as_it_came() -> None:
    bench = await bench_of(handler_of(Failing()))
    foreign: Headers = (("x", b"\xff"),)
    record = replace(await bench.record(Noted(note_id="1")), headers=foreign, value=None, key=None)
    assert await bench.dispatcher.dispatch(record, bench.interrupted)
    [headers] = bench.dead()
    assert headers["x"] == b"\xff"
    assert headers["deadletter-handler"] == b""
    assert headers["deadletter-topic"] == b"notes"


async def test_a_dead_letter_waits_for_the_broker() -> None:
    bench = await bench_of(handler_of(Failing(InvalidInput("never"))))
    record = await bench.record(Noted(note_id="1"))
    bench.bus.down = True
    with capture_logs() as log:
        sending = asyncio.create_task(bench.dispatcher.dispatch(record, bench.interrupted))
        await until(lambda: len(log) > 2)
        bench.bus.down = False
        assert await sending
    assert len(bench.dead()) == 1
    assert log[0]["event"] == "consumer.dead_letter_failed"
    assert log[-1]["event"] == "event.dead_lettered"


async def test_an_event_of_another_type_is_skipped() -> None:
    handle = Failing()
    bench = await bench_of(handler_of(handle))
    with capture_logs() as log:
        assert await bench.send(Forgotten(note_id="1"))
    assert handle.calls == 0
    assert [(line["event"], line["log_level"]) for line in log] == [("event.ignored", "debug")]


async def test_a_handler_that_gives_up_does_not_keep_the_others_from_it() -> None:
    bad, good = Failing(InvalidInput("never")), Failing()
    bench = await bench_of(handler_of(bad, "bad"), handler_of(good, "good"))
    assert await bench.send(Noted(note_id="1"))
    assert good.calls == 1
    assert [headers["deadletter-handler"] for headers in bench.dead()] == [b"bad"]


async def test_two_handlers_of_a_type_have_two_names() -> None:
    with pytest.raises(ValueError, match="two handlers of Noted are named same"):
        await bench_of(handler_of(Failing(), "same"), handler_of(Failing(), "same"))


async def test_what_was_prepared_is_handed_over_and_preparing_is_left_out_if_done() -> None:
    prepared, handled = [], []

    async def prepare(event: Noted) -> str:
        prepared.append(event.text)
        assert bench.inbox.rows == set()
        return event.text.upper()

    async def handle(_: Noted, text: str) -> None:
        handled.append(text)

    bench = await bench_of(Handler(name="n", event=Noted, prepare=prepare, handle=handle))
    record = await bench.record(Noted(note_id="1", text="x"))
    for _ in range(2):
        assert await bench.dispatcher.dispatch(record, bench.interrupted)
    assert (prepared, handled) == (["x"], ["X"])


async def test_the_context_is_that_of_the_event() -> None:
    seen = []

    async def handle(_: Noted) -> None:
        seen.append((current(), received()))

    before = current()
    bench = await bench_of(handler_of(handle))
    assert await bench.send(Noted(note_id="1"))
    [(context, envelope)] = seen
    assert context.context_id == envelope.context_id == "ctx-of-a-test"
    assert (context.causation_id, context.actor) == (str(envelope.id), "user-1")
    assert context.service == "receiver"
    assert context.deadline is not None
    assert current() == before
    with pytest.raises(LookupError):
        received()
