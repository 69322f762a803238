"""Handing one record to the handlers of its type: attempts, time-outs, dead letters.

When a handler fails:

- the input is at fault (`InvalidInput`, and a record that is no event): dead letter at once;
- a dependency is not there (`Unavailable`, a lost connection): tried again without limit, with
  pauses. A server that is down does not make the event wrong, and to go on without it would break
  the order of its key. The partition waits, and its lag shows it;
- anything else, a time-out of the handler included: tried again with growing pauses, and after
  the last attempt dead letter. What follows goes on.

An event of a type that nobody here handles is skipped: a topic carries every event of an aggregate,
and a module picks. A newer schema version of a type is read, with unknown fields ignored.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client import Counter
from pydantic import ValidationError

from libs.context import RequestContext, use
from libs.errors import AppError, InvalidInput, Unavailable
from libs.events.bus import Bus, Record
from libs.events.dead_letter import Failure, dead_letter, topic_of
from libs.events.envelope import Envelope, MalformedEvent
from libs.events.event import Event
from libs.events.inbox import Inbox
from libs.events.settings import ConsumerSettings
from libs.events.waiting import pause, pause_after
from libs.logging import get_logger

log = get_logger()

HANDLED = Counter(
    "throughline_events_handled", "Events by outcome", ["module", "handler", "type", "outcome"]
)

E = TypeVar("E", bound=Event)
P = TypeVar("P")

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
        self._handlers: defaultdict[str, list[AnyHandler]] = defaultdict(list)
        for handler in handlers:
            others = self._handlers[handler.event.type]
            if any(other.name == handler.name for other in others):
                raise ValueError(f"two handlers of {handler.event.type} are named {handler.name}")
            others.append(handler)

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
                    log.debug("event.ignored", eventId=str(envelope.id), eventType=envelope.type)
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
            causation_id=str(envelope.id),
            deadline=deadline,
        )

    async def _deliver(
        self, record: Record, envelope: Envelope, handler: AnyHandler, interrupted: asyncio.Event
    ) -> bool:
        """Try until it is handled or given up; False if interrupted."""
        counted = 0
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._attempt(envelope, handler, attempt)
            except Exception as error:  # noqa: BLE001  # whatever it is, the event must not be lost
                counted += not isinstance(error, Unavailable | ConnectionError)
                if isinstance(error, InvalidInput) or counted >= self._settings.attempts:
                    failure = Failure(error=error, attempts=attempt, handler=handler.name)
                    return await self._bury(record, failure, interrupted)
                if await pause(interrupted, self._retry(envelope, handler, attempt, error)):
                    return False
            else:
                return True

    async def _attempt(self, envelope: Envelope, handler: AnyHandler, attempt: int) -> None:
        started = time.perf_counter()
        timeout = self._settings.handler_timeout_s
        with use(self._context(envelope, time.monotonic() + timeout)):
            async with asyncio.timeout(timeout):
                new = await self._handle(envelope, handler)
        outcome = "consumed" if new else "skipped"
        HANDLED.labels(self._group, handler.name, envelope.type, outcome).inc()
        duration_ms = round((time.perf_counter() - started) * 1000, 3)
        fields = {
            "eventId": str(envelope.id),
            "eventType": envelope.type,
            "handler": handler.name,
            "durationMs": duration_ms,
        }
        if new:
            log.info("event.consumed", attempt=attempt, **fields)
        else:
            log.info("event.skipped", reason="already_handled", **fields)

    async def _handle(self, envelope: Envelope, handler: AnyHandler) -> bool:
        """Let the handler do its work, once; False if it has done it before."""
        if await self._inbox.handled(handler.name, envelope.id):
            return False
        event = _parse(handler.event, envelope)
        prepared = await handler.prepare(event) if handler.prepare else None
        async with self._inbox.claim(handler.name, envelope.id) as new:
            if new:
                await handler.handle(event, prepared)
        return new

    def _retry(
        self, envelope: Envelope, handler: AnyHandler, attempt: int, error: Exception
    ) -> float:
        """Note the failure; returns the seconds to wait."""
        settings = self._settings
        wait_s = pause_after(attempt, base=settings.retry_base_s, longest=settings.retry_max_s)
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

    async def _bury(self, record: Record, failure: Failure, interrupted: asyncio.Event) -> bool:
        """Publish to the dead-letter topic, however long that takes; False if interrupted."""
        message = dead_letter(self._group, record, failure)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._bus.ensure_topics([topic_of(self._group)])
                await self._bus.publish([message])
            except Unavailable as error:
                log.warning("consumer.dead_letter_failed", attempt=attempt, detail=str(error))
                base, longest = self._settings.retry_base_s, self._settings.retry_max_s
                if await pause(interrupted, pause_after(attempt, base=base, longest=longest)):
                    return False
            else:
                self._note_buried(record, failure)
                return True

    def _note_buried(self, record: Record, failure: Failure) -> None:
        headers = dict(record.headers)
        event_type = headers.get("ce_type", b"").decode(errors="replace")
        HANDLED.labels(self._group, failure.handler or "", event_type, "dead_lettered").inc()
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
        raise MalformedEvent(f"{event.type}: {'; '.join(wrong)}") from error
