"""From the outbox to the broker.

Of all processes that host a module, one relays: the one that holds the claim on the module's
outbox. It publishes what is unpublished, in order, and marks it only after the broker has stored
it. Dying in between means publishing again, under the same ids: consumers' inboxes drop that.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from prometheus_client import Counter, Gauge

from libs.context import RequestContext, current, use
from libs.errors import Unavailable
from libs.events.bus import Bus, Position
from libs.events.envelope import Envelope
from libs.events.settings import RelaySettings
from libs.events.waiting import pause, pause_after, unless
from libs.logging import get_logger

log = get_logger()

PUBLISHED = Counter("throughline_events_published", "Events published", ["module", "topic"])
LAG = Gauge("throughline_outbox_lag_seconds", "Age of the oldest unpublished event", ["module"])


class Claim(Protocol):
    """The right to relay one outbox, while it lasts."""

    async def unpublished(self, limit: int) -> Sequence[Envelope]:
        """The next events, in the order of publishing."""

    async def mark(self, ids: Sequence[UUID]) -> None:
        """Note that these are published."""

    def wait(self, timeout: float) -> Coroutine[Any, Any, None]:
        """Return when something may have been added, or after `timeout` s."""


class Queue(Protocol):
    """The relay's side of one module's outbox."""

    @property
    def module(self) -> str: ...

    def try_claim(self) -> AbstractAsyncContextManager[Claim | None]:
        """The claim for the length of a block; None while another process has it."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How a relay is.

    Attributes:
        active: whether it is the one that relays; if not it stands by.
        lag_s: the age of the oldest event that is not published yet; 0 if there is none.
        last_error: what it is failing with, at present.
    """

    active: bool
    lag_s: float
    last_error: str | None


class Relay:
    """The relay of one module.

    Args:
        queue: the module's outbox, usually `outbox.OutboxQueue`.
        bus: where to publish.
    """

    def __init__(self, queue: Queue, bus: Bus, settings: RelaySettings | None = None) -> None:
        self._queue = queue
        self._bus = bus
        self._settings = settings or RelaySettings()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._status = RelayStatus(active=False, lag_s=0.0, last_error=None)
        self._failures = 0

    @property
    def name(self) -> str:
        return f"{self._queue.module}.relay"

    @property
    def status(self) -> RelayStatus:
        return self._status

    async def run(self) -> None:
        """Relay until `stop` is called. Failures are logged, and followed by another try."""
        self._ended.clear()
        try:
            with use(replace(current(), service=self._queue.module)):
                while not self._stopping.is_set():
                    await self._turn()
        finally:
            self._status = replace(self._status, active=False)
            self._ended.set()

    async def stop(self) -> None:
        """End after the batch at hand; returns when `run` has."""
        self._stopping.set()
        await self._ended.wait()

    async def check(self) -> None:
        """For readiness, informational.

        Raises:
            Unavailable: it is failing at present. A relay that stands by is well.
        """
        if self._status.last_error is not None:
            raise Unavailable(f"{self.name}: {self._status.last_error}")

    async def _turn(self) -> None:
        """Relay for as long as the claim and the broker last; otherwise pause."""
        try:
            async with self._queue.try_claim() as claim:
                if claim is not None:
                    await self._relay(claim)
                    return
            self._note_lag(())  # whoever has the claim measures it
            self._status = replace(self._status, last_error=None)
            wait_s = self._settings.poll_s
        except Exception as error:  # noqa: BLE001  # whatever it is: the outbox waits, and so do we
            self._failures += 1
            wait_s = pause_after(
                self._failures,
                base=self._settings.backoff_base_s,
                longest=self._settings.backoff_max_s,
            )
            self._status = replace(self._status, active=False, last_error=type(error).__name__)
            log.warning(
                "relay.failed",
                error=type(error).__name__,
                detail=str(error),
                retryInMs=wait_s * 1e3,
            )
        await pause(self._stopping, wait_s)

    async def _relay(self, claim: Claim) -> None:
        log.info("relay.active")
        self._status = replace(self._status, active=True)
        try:
            while not self._stopping.is_set():
                if await self._batch(claim) < self._settings.batch:
                    await unless(self._stopping, claim.wait(self._settings.poll_s))
        finally:
            self._status = replace(self._status, active=False)
            log.info("relay.inactive")

    async def _batch(self, claim: Claim) -> int:
        """Publish the next events; returns how many there were."""
        events = await claim.unpublished(self._settings.batch)
        self._note_lag(events)
        if events:
            await self._bus.ensure_topics(sorted({event.topic for event in events}))
            started = time.perf_counter()
            positions = await self._bus.publish([event.to_message() for event in events])
            duration_ms = (time.perf_counter() - started) * 1000
            await claim.mark([event.id for event in events])
            for event, position in zip(events, positions, strict=True):
                self._note_published(event, position, duration_ms)
        self._failures = 0
        self._status = replace(self._status, last_error=None)
        return len(events)

    def _note_lag(self, events: Sequence[Envelope]) -> None:
        lag = max(0.0, (datetime.now(UTC) - events[0].time).total_seconds()) if events else 0.0
        LAG.labels(self._queue.module).set(lag)
        self._status = replace(self._status, lag_s=lag)

    def _note_published(self, event: Envelope, position: Position, duration_ms: float) -> None:
        """A line under the context in which the event was added, not under the relay's own."""
        PUBLISHED.labels(self._queue.module, event.topic).inc()
        context = RequestContext(
            context_id=event.context_id,
            service=self._queue.module,
            actor=event.actor,
            causation_id=event.causation_id,
        )
        age = (datetime.now(UTC) - event.time).total_seconds()
        with use(context):
            log.info(
                "event.published",
                eventId=str(event.id),
                eventType=event.type,
                topic=event.topic,
                partition=position.partition.number,
                offset=position.offset,
                durationMs=round(duration_ms, 3),
                ageMs=round(max(0.0, age) * 1000, 3),
            )
