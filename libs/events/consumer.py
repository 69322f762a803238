"""From the broker to the handlers.

Events of one key are handled one after another; different keys go side by side, as many as a
setting allows, and polling goes on meanwhile. So a handler that has to wait costs neither the group
membership nor the other keys. What was handled is then committed to the broker, up to the first
event that is not done. An event may therefore come again; `handling` and the inbox see to it that
its effects do not.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import Gauge

from libs.errors import Unavailable
from libs.events.bus import Bus, Partition, Record, Subscription
from libs.events.handling import AnyHandler, Dispatcher
from libs.events.inbox import Inbox
from libs.events.lane import Lane
from libs.events.settings import ConsumerSettings
from libs.events.topics import dead_letter_topic
from libs.logging import get_logger
from libs.tasks import Supervisor
from libs.waiting import pause_after, unless

log = get_logger()

LAG = Gauge(
    "throughline_consumer_lag_records",
    "Records that are not handled yet",
    ["module", "topic", "partition"],
)
PAUSED = Gauge("throughline_consumer_paused", "Whether the group is paused", ["module"])

POLL_S = 1.0
COMMIT_EVERY_S = 0.1
COMMIT_AGAIN_S = 1.0
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """How a consumer is.

    Attributes:
        running: whether it is in its group and polls.
        paused: whether its group is paused.
        lag: how many records wait, as far as is known.
        last_error: what it is failing with, at present.
    """

    running: bool
    paused: bool
    lag: int
    last_error: str | None


class Consumer:
    """The consumer of one module.

    Args:
        inbox: the module's.
        bus: where events come from, and dead letters go.
        group: the module's name; several processes that host it share the partitions.
        handlers: any number per type of event.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        bus: Bus,
        group: str,
        handlers: Sequence[AnyHandler],
        settings: ConsumerSettings | None = None,
    ) -> None:
        self._inbox = inbox
        self._bus = bus
        self._group = group
        self._topics = sorted({handler.event.topic for handler in handlers})
        self._settings = settings = settings or ConsumerSettings()
        self._dispatcher = Dispatcher(
            inbox=inbox, bus=bus, group=group, handlers=handlers, settings=settings
        )
        self._supervisor = Supervisor(
            group,
            "consumer.failed",
            partial(pause_after, base=settings.retry_base_s, longest=settings.outage_max_s),
        )
        self._lanes: dict[Partition, Lane] = {}
        self._held: set[Partition] = set()
        self._progress = asyncio.Event()
        self._committing = asyncio.Lock()
        self._subscription: Subscription | None = None
        self._lag: dict[Partition, int] = {}
        self._looked_at = 0.0

    @property
    def name(self) -> str:
        return f"{self._group}.consumer"

    @property
    def status(self) -> ConsumerStatus:
        return ConsumerStatus(
            running=self._subscription is not None,
            paused=self._paused,
            lag=sum(self._lag.values()),
            last_error=self._supervisor.last_error,
        )

    async def run(self) -> None:
        """Consume until `stop` is called. Failures are logged, and followed by another try.

        Cancelled, it ends at once: the transactions at hand are rolled back, and the events come
        again.
        """
        await self._supervisor.run(self._turn)

    async def stop(self) -> None:
        """Finish and commit the events at hand, leave the group; returns when `run` has."""
        for lane in self._lanes.values():
            lane.interrupt()
        await self._supervisor.stop()

    async def check(self) -> None:
        """For readiness, informational.

        Raises:
            Unavailable: it is not in its group at present.
        """
        if not self.status.running:
            raise Unavailable(f"{self.name}: {self.status.last_error or 'not running'}")

    async def _turn(self) -> None:
        """Be a member of the group for as long as it goes well."""
        await self._bus.ensure_topics([*self._topics, dead_letter_topic(self._group)])
        joining = self._bus.subscribe(self._group, self._topics, self._revoked)
        subscription = await unless(self._supervisor.stopping, joining)
        if subscription is None:
            return
        log.info("consumer.started", topics=self._topics)
        self._subscription = subscription
        committing = asyncio.create_task(self._keep_committing(subscription))
        try:
            await self._poll(subscription)
            await self._drain(frozenset(self._lanes), self._settings.handler_timeout_s)
        finally:
            self._subscription = None
            committing.cancel()
            await self._drop(frozenset(self._lanes))
            await self._dispatcher.close()
            await asyncio.gather(committing, return_exceptions=True)
            await subscription.close()
            log.info("consumer.stopped")

    async def _poll(self, subscription: Subscription) -> None:
        stopping = self._supervisor.stopping
        self._looked_at = 0.0
        while not stopping.is_set():
            batches = await unless(stopping, subscription.poll(POLL_S)) or {}
            self._supervisor.well()
            await self._look(subscription, events=bool(batches))
            self._take(subscription, batches)

    def _take(
        self, subscription: Subscription, batches: Mapping[Partition, Sequence[Record]]
    ) -> None:
        """Begin work on what was polled; raises what broke a lane."""
        for lane in self._lanes.values():
            lane.check()
        for partition, records in batches.items():
            lane = self._lanes.get(partition) or self._open(partition)
            lane.add(records)
            if lane.full:
                self._held.add(partition)
                subscription.hold(partition)

    def _open(self, partition: Partition) -> Lane:
        handle = self._dispatcher.dispatch
        lane = Lane(handle, self._settings.window, partial(self._went_on, partition))
        self._lanes[partition] = lane
        return lane

    def _went_on(self, partition: Partition) -> None:
        self._progress.set()
        lane, subscription = self._lanes.get(partition), self._subscription
        if partition in self._held and subscription and lane and lane.roomy:
            self._held.discard(partition)
            subscription.release(partition)

    async def _keep_committing(self, subscription: Subscription) -> None:
        while True:
            await self._progress.wait()
            self._progress.clear()
            pause_s = COMMIT_EVERY_S
            if not await self._commit(subscription, frozenset(self._lanes)):
                self._progress.set()
                pause_s = COMMIT_AGAIN_S
            await asyncio.sleep(pause_s)

    async def _commit(self, subscription: Subscription, partitions: frozenset[Partition]) -> bool:
        """Commit as far as everything is done; False if the broker did not take it."""
        async with self._committing:
            lanes = {p: self._lanes[p] for p in partitions if p in self._lanes}
            due = {
                partition: lane.done
                for partition, lane in lanes.items()
                if lane.done is not None and lane.done != lane.committed
            }
            if due and not await subscription.commit(due):
                return False
            for partition, offset in due.items():
                lanes[partition].committed = offset
        return True

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        log.info("consumer.revoked", partitions=len(partitions))
        await self._drain(partitions, self._settings.grace_s)

    async def _drain(self, partitions: frozenset[Partition], grace_s: float) -> None:
        """Let what is being handled finish, and commit; cancel what takes too long."""
        lanes = [self._lanes[p] for p in partitions if p in self._lanes]
        await asyncio.gather(*(lane.drain(grace_s) for lane in lanes))
        if self._subscription is not None:
            await self._commit(self._subscription, partitions)
        await self._drop(partitions)

    async def _drop(self, partitions: frozenset[Partition]) -> None:
        """Let go of partitions, whatever is at hand of them."""
        lanes = [self._lanes.pop(p) for p in partitions if p in self._lanes]
        self._held -= partitions
        await asyncio.gather(*(lane.drain(0) for lane in lanes))

    async def _look(self, subscription: Subscription, *, events: bool) -> None:
        """Now and then: note the lag, and whether the group is paused.

        Before events are taken, so that a group that was paused while it had none handles none.
        As long as there are none nobody asks: then it makes no difference.
        """
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        self._note_lag(await subscription.lag())
        if events or self._paused or any(lane.busy for lane in self._lanes.values()):
            with suppress(Exception):  # it cannot be told at present: as before
                self._note_paused(await self._inbox.paused(self._group))

    @property
    def _paused(self) -> bool:
        return not self._dispatcher.going.is_set()

    def _note_lag(self, lag: Mapping[Partition, int]) -> None:
        for partition in self._lag.keys() - lag.keys():
            LAG.remove(self._group, partition.topic, str(partition.number))
        for partition, waiting in lag.items():
            LAG.labels(self._group, partition.topic, str(partition.number)).set(waiting)
        self._lag = dict(lag)

    def _note_paused(self, paused: bool) -> None:
        if paused != self._paused:
            log.info("consumer.paused" if paused else "consumer.resumed")
        if paused:
            self._dispatcher.going.clear()
        else:
            self._dispatcher.going.set()
        PAUSED.labels(self._group).set(paused)
