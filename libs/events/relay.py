"""From the outbox to the broker.

Of all processes that host a module, one relays: the one that holds the claim on the module's
outbox. It publishes what is unpublished, in order, and marks it only after the broker has stored
it. Dying in between means publishing again, under the same ids: consumers' inboxes drop that.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from prometheus_client import Counter, Gauge

from libs.context import RequestContext, use
from libs.errors import Unavailable
from libs.events.bus import Bus, Position
from libs.events.envelope import Envelope
from libs.events.settings import RelaySettings
from libs.logging import get_logger
from libs.tasks import Supervisor
from libs.waiting import pause, pause_after, unless

log = get_logger()

PUBLISHED = Counter("throughline_events_published", "Events published", ["module", "topic"])
LAG = Gauge("throughline_outbox_lag_seconds", "Age of the oldest unpublished event", ["module"])

BEAT_S: Final = 1.0
"""How often a relay that waits for the broker shows the database that it lives."""


class Session(Protocol):
    """A connection to the outbox. The claim lasts as long as the connection."""

    async def try_claim(self) -> bool:
        """Become the one that relays; False while another is."""

    async def beat(self) -> None:
        """Show that this session lives; one that is silent for some seconds loses its claim."""

    async def unpublished(self, limit: int) -> Sequence[Envelope]:
        """The next events, in the order of publishing."""

    async def mark(self, ids: Sequence[UUID]) -> None:
        """Note that these are published."""

    async def wait(self, timeout: float) -> None:
        """Return when something may have been added, or after `timeout` s."""


class Queue(Protocol):
    """The relay's side of one module's outbox: `outbox.OutboxQueue`, but for tests."""

    @property
    def module(self) -> str: ...

    def session(self) -> AbstractAsyncContextManager[Session]: ...


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
        self._settings = settings = settings or RelaySettings()
        self._supervisor = Supervisor(
            queue.module,
            "relay.failed",
            partial(pause_after, base=settings.backoff_base_s, longest=settings.backoff_max_s),
        )
        self._active = False
        self._lag_s = 0.0

    @property
    def name(self) -> str:
        return f"{self._queue.module}.relay"

    @property
    def status(self) -> RelayStatus:
        return RelayStatus(self._active, self._lag_s, self._supervisor.last_error)

    async def run(self) -> None:
        """Relay until `stop` is called. Failures are logged, and followed by another try."""
        await self._supervisor.run(self._turn)

    async def stop(self) -> None:
        """End after the batch at hand; returns when `run` has."""
        await self._supervisor.stop()

    async def check(self) -> None:
        """For readiness, informational.

        Raises:
            Unavailable: it is failing at present. A relay that stands by is well.
        """
        if (error := self._supervisor.last_error) is not None:
            raise Unavailable(f"{self.name}: {error}")

    async def _turn(self) -> None:
        """Relay for as long as database and broker are there."""
        async with self._queue.session() as session:
            if not await self._claim(session):
                return
            log.info("relay.active")
            self._active = True
            try:
                await self._relay(session)
            finally:
                self._active = False
                log.info("relay.inactive")

    async def _relay(self, session: Session) -> None:
        stopping = self._supervisor.stopping
        while not stopping.is_set():
            if await self._batch(session) < self._settings.batch:
                await unless(stopping, session.wait(self._settings.poll_s))

    async def _claim(self, session: Session) -> bool:
        """Stand by until it is this relay's turn; False if it is stopped before."""
        while not self._supervisor.stopping.is_set():
            if await session.try_claim():
                return True
            self._supervisor.well()
            self._note_lag(())  # whoever has the claim measures it
            await pause(self._supervisor.stopping, self._settings.poll_s)
        return False

    async def _batch(self, session: Session) -> int:
        """Publish the next events; returns how many there were."""
        events = await session.unpublished(self._settings.batch)
        self._note_lag(events)
        if events:
            started = time.perf_counter()
            positions = await self._publish(session, events)
            duration_ms = (time.perf_counter() - started) * 1000
            await session.mark([event.id for event in events])
            for event, position in zip(events, positions, strict=True):
                self._note_published(event, position, duration_ms)
        self._supervisor.well()
        return len(events)

    async def _publish(self, session: Session, events: Sequence[Envelope]) -> list[Position]:
        """Publish, however long the broker takes, without losing the claim to its slowness."""

        async def publish() -> list[Position]:
            await self._bus.ensure_topics(sorted({event.topic for event in events}))
            return await self._bus.publish([event.to_message() for event in events])

        publishing = asyncio.create_task(publish())
        try:
            while not (await asyncio.wait({publishing}, timeout=BEAT_S))[0]:
                await session.beat()
            return publishing.result()
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    def _note_lag(self, events: Sequence[Envelope]) -> None:
        lag = max(0.0, (datetime.now(UTC) - events[0].time).total_seconds()) if events else 0.0
        LAG.labels(self._queue.module).set(lag)
        self._lag_s = lag

    def _note_published(self, event: Envelope, position: Position, duration_ms: float) -> None:
        """A line under the context in which the event was added, not under the relay's own."""
        PUBLISHED.labels(self._queue.module, event.topic).inc()
        context = RequestContext(
            context_id=event.context_id,
            service=self._queue.module,
            actor=event.actor,
            session_id=event.session_id,
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
