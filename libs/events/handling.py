"""Handing one record to the handlers of its type: attempts, time-outs, dead letters.

When a handler fails:

- the input is at fault (`InvalidInput`, and a record that is no event): dead letter at once;
- a dependency is not there (`Unavailable`, a lost connection): tried again without limit, with
  pauses. A server that is down does not make the event wrong, and to go on without it would break
  the order of its key. The key waits, and the lag shows it;
- anything else, a time-out of the handler included: tried again with growing pauses, and after
  the last attempt dead letter. What follows goes on.

An event of a type that nobody here handles is skipped: a topic carries every event of an aggregate,
and a module picks. A newer schema version of a type is read, with unknown fields ignored; if it
cannot be read all the same (`NewerEvent`), it is a dead letter, to be replayed by a newer program.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from prometheus_client import Counter
from pydantic import ValidationError

from libs.context import RequestContext, use
from libs.errors import AppError, InvalidInput, Unavailable
from libs.events.bus import Bus, Record
from libs.events.dead_letter import Failure, dead_letter
from libs.events.effects import Effect, Effects
from libs.events.envelope import Envelope, MalformedEvent
from libs.events.event import Event
from libs.events.gate import Gate, is_outage
from libs.events.inbox import Inbox
from libs.events.settings import ConsumerSettings
from libs.events.topics import dead_letter_topic
from libs.logging import get_logger
from libs.waiting import pause, pause_after

log = get_logger()

PAUSED_LOOK_S = 0.2

HANDLED = Counter(
    "throughline_events_handled", "Events by outcome", ["module", "handler", "type", "outcome"]
)

E = TypeVar("E", bound=Event)
P = TypeVar("P")


class NewerEvent(MalformedEvent):
    """An event of a schema version that this program does not know, and cannot read either."""

    code = "events.newer"
    title = "The event has a newer schema version, which cannot be read"


_received: ContextVar[Envelope] = ContextVar("received_envelope")


def received() -> Envelope:
    """The envelope of the event being handled.

    Raises:
        LookupError: none is.
    """
    return _received.get()


@dataclass(frozen=True, kw_only=True)
class Handler(Generic[E, P]):
    """What a module does about one type of event.

    Attributes:
        name: in the inbox; unique among a type's handlers, and not to be changed: under a new name
            every event that comes again is new.
        event: the type.
        handle: runs in the transaction that also notes the event as handled. No remote calls.
        prepare: runs before, in no transaction; remote calls belong here. May run more than once
            for an event. What it returns is handed to `handle`, which otherwise gets None.
    """

    name: str
    event: type[E]
    handle: Callable[[E, P], Awaitable[None]]
    prepare: Callable[[E], Awaitable[P]] | None = None


AnyHandler = Handler[Any, Any]
"""One of several handlers, of different events."""


class Dispatcher:
    """Hands a module's records to its handlers."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        bus: Bus,
        group: str,
        handlers: Sequence[AnyHandler],
        settings: ConsumerSettings,
    ) -> None:
        self._inbox = inbox
        self._bus = bus
        self._group = group
        self._settings = settings
        self._retry_after = partial(
            pause_after, base=settings.retry_base_s, longest=settings.retry_max_s
        )
        self._outage_after = partial(
            pause_after, base=settings.retry_base_s, longest=settings.outage_max_s
        )
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._effects = Effects(inbox, self._slots, size=settings.together, service=group)
        self._gates: defaultdict[str, Gate] = defaultdict(lambda: Gate(self._outage_after))
        self._handlers: defaultdict[str, list[AnyHandler]] = defaultdict(list)
        for handler in handlers:
            others = self._handlers[handler.event.type]
            if any(other.name == handler.name for other in others):
                raise ValueError(f"two handlers of {handler.event.type} are named {handler.name}")
            others.append(handler)
        self.going = asyncio.Event()
        """While it is not set, no attempt begins."""
        self.going.set()

    async def close(self) -> None:
        """Roll back what is being handled."""
        await self._effects.close()

    async def dispatch(self, record: Record, interrupted: asyncio.Event) -> bool:
        """Deal with a record; False if `interrupted` was set before all was done.

        An interruption ends pauses between attempts, never a handler.
        """
        try:
            envelope = Envelope.from_record(record)
        except MalformedEvent as error:
            return await self._bury(record, Failure(error=error, attempts=1), interrupted)
        token = _received.set(envelope)
        try:
            with use(self._context(envelope)):
                handlers = self._handlers.get(envelope.type, ())
                if not handlers:
                    self._note_ignored(envelope)
                for handler in handlers:
                    if not await self._deliver(record, envelope, handler, interrupted):
                        return False
        finally:
            _received.reset(token)
        return True

    def _context(self, envelope: Envelope, deadline: float | None = None) -> RequestContext:
        return RequestContext(
            context_id=envelope.context_id,
            service=self._group,
            actor=envelope.actor,
            session_id=envelope.session_id,
            causation_id=str(envelope.id),
            deadline=deadline,
        )

    async def _deliver(
        self, record: Record, envelope: Envelope, handler: AnyHandler, interrupted: asyncio.Event
    ) -> bool:
        """Try until it is handled or given up; False if interrupted."""
        counted = attempt = 0
        gate = self._gates[handler.name]
        while True:
            attempt += 1
            work = partial(self._attempt, envelope, handler, attempt)
            try:
                if not await self._may_begin(interrupted):
                    return False
                return await gate.through(work, interrupted)
            except Exception as error:  # noqa: BLE001  # whatever it is, the event must not be lost
                counted += not is_outage(error)
                if isinstance(error, InvalidInput) or counted >= self._settings.attempts:
                    failure = Failure(error=error, attempts=attempt, handler=handler.name)
                    return await self._bury(record, failure, interrupted)
                if await pause(interrupted, self._retry(envelope, handler, attempt, error)):
                    return False

    async def _may_begin(self, interrupted: asyncio.Event) -> bool:
        """Wait until attempts may begin; False if interrupted."""
        while not self.going.is_set() and not interrupted.is_set():
            await pause(interrupted, PAUSED_LOOK_S)
        return not interrupted.is_set()

    async def _attempt(self, envelope: Envelope, handler: AnyHandler, attempt: int) -> None:
        started = time.monotonic()
        new = await self._handle(envelope, handler, alone=attempt > 1)
        outcome = "consumed" if new else "skipped"
        HANDLED.labels(self._group, handler.name, envelope.type, outcome).inc()
        fields = {
            "eventId": str(envelope.id),
            "eventType": envelope.type,
            "handler": handler.name,
            "durationMs": round((time.monotonic() - started) * 1000, 3),
        }
        if new:
            log.info("event.consumed", attempt=attempt, **fields)
        else:
            log.info("event.skipped", reason="already_handled", **fields)

    async def _handle(self, envelope: Envelope, handler: AnyHandler, *, alone: bool) -> bool:
        """Let the handler do its work, once; False if it has done it before."""
        event, prepared = _parse(handler.event, envelope), None
        if handler.prepare is not None:
            if await self._inbox.handled(handler.name, envelope.id):
                return False
            async with self._slots, self._limited(envelope):
                prepared = await handler.prepare(event)

        async def carry_out() -> None:
            token = _received.set(envelope)
            try:
                async with self._limited(envelope):
                    await handler.handle(event, prepared)
            finally:
                _received.reset(token)

        effect = Effect(claim=(handler.name, envelope.id), carry_out=carry_out)
        return await self._effects.apply(effect, alone=alone)

    @asynccontextmanager
    async def _limited(self, envelope: Envelope) -> AsyncIterator[None]:
        """The context of an event, with the time that a part of a handler has."""
        timeout = self._settings.handler_timeout_s
        with use(self._context(envelope, time.monotonic() + timeout)):
            async with asyncio.timeout(timeout):
                yield

    def _retry(
        self, envelope: Envelope, handler: AnyHandler, attempt: int, error: Exception
    ) -> float:
        """Note the failure; returns the seconds to wait."""
        wait_s = (self._outage_after if is_outage(error) else self._retry_after)(attempt)
        known = isinstance(error, AppError | ConnectionError)
        log.warning(
            "event.retry",
            eventId=str(envelope.id),
            eventType=envelope.type,
            handler=handler.name,
            attempt=attempt,
            retryInMs=round(wait_s * 1000, 3),
            error=error.code if isinstance(error, AppError) else type(error).__name__,
            detail=str(error),
            **({} if known else {"exc_info": error}),
        )
        HANDLED.labels(self._group, handler.name, envelope.type, "failed").inc()
        return wait_s

    def _note_ignored(self, envelope: Envelope) -> None:
        log.debug("event.ignored", eventId=str(envelope.id), eventType=envelope.type)
        # Not by its type, of which anybody may invent any number.
        HANDLED.labels(self._group, "", "", "ignored").inc()

    async def _bury(self, record: Record, failure: Failure, interrupted: asyncio.Event) -> bool:
        """Publish to the dead-letter topic, however long that takes; False if interrupted."""
        message = dead_letter(self._group, record, failure)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._bus.ensure_topics([dead_letter_topic(self._group)])
                await self._bus.publish([message])
            except Unavailable as error:
                log.warning("consumer.dead_letter_failed", attempt=attempt, detail=str(error))
                if await pause(interrupted, self._outage_after(attempt)):
                    return False
            else:
                self._note_buried(record, failure)
                return True

    def _note_buried(self, record: Record, failure: Failure) -> None:
        headers = dict(record.headers)
        event_type = headers.get("ce_type", b"").decode(errors="replace")
        known = event_type if event_type in self._handlers else ""
        HANDLED.labels(self._group, failure.handler or "", known, "dead_lettered").inc()
        log.error(
            "event.dead_lettered",
            eventId=headers.get("ce_id", b"").decode(errors="replace"),
            eventType=event_type,
            handler=failure.handler,
            attempts=failure.attempts,
            topic=record.position.partition.topic,
            partition=record.position.partition.number,
            offset=record.position.offset,
            error=failure.error_class,
            detail=failure.reason,
            **({} if isinstance(failure.error, AppError) else {"exc_info": failure.error}),
        )


def _parse(event: type[E], envelope: Envelope) -> E:
    try:
        return event.from_json(envelope.data)
    except ValidationError as error:
        # Without the values: this text is logged.
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
        kind = NewerEvent if envelope.version > event.version else MalformedEvent
        raise kind(f"{event.type} {envelope.version}: {'; '.join(wrong)}") from error
