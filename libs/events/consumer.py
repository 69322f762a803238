"""From the broker to the handlers.

A partition's events are handled one after another; partitions go side by side, and polling goes on
meanwhile, so that a handler that has to wait costs neither the group membership nor the other
partitions. What was handled is then committed to the broker, never more. An event may therefore
come again; `handling` and the inbox see to it that its effects do not.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from prometheus_client import Gauge

from libs.context import current, use
from libs.errors import Unavailable
from libs.events.bus import Bus, Partition, Record, Subscription
from libs.events.dead_letter import topic_of
from libs.events.handling import AnyHandler, Dispatcher
from libs.events.inbox import Inbox
from libs.events.settings import ConsumerSettings
from libs.events.waiting import pause, pause_after, unless
from libs.logging import get_logger

log = get_logger()

LAG = Gauge("throughline_consumer_lag_records", "Records not consumed yet", ["module"])

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """How a consumer is.

    Attributes:
        running: whether it is in its group and polls.
        lag: how many records wait, as far as is known.
        last_error: what it is failing with, at present.
    """

    running: bool
    lag: int
    last_error: str | None


@dataclass(slots=True)
class _Lane:
    """A partition's work at hand. `interrupted` asks it to end after the current event."""

    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


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
        self._bus = bus
        self._group = group
        self._topics = sorted({handler.event.topic for handler in handlers})
        self._settings = settings or ConsumerSettings()
        self._dispatcher = Dispatcher(
            inbox=inbox, bus=bus, group=group, handlers=handlers, settings=self._settings
        )
        self._lanes: dict[Partition, _Lane] = {}
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._failures = 0
        self._status = ConsumerStatus(running=False, lag=0, last_error=None)

    @property
    def name(self) -> str:
        return f"{self._group}.consumer"

    @property
    def status(self) -> ConsumerStatus:
        return self._status

    async def run(self) -> None:
        """Consume until `stop` is called. Failures are logged, and followed by another try.

        Cancelled, it ends at once: the transactions at hand are rolled back, and the events come
        again.
        """
        self._ended.clear()
        try:
            with use(replace(current(), service=self._group)):
                while not self._stopping.is_set():
                    await self._turn()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish and commit the events at hand, leave the group; returns when `run` has."""
        self._stopping.set()
        await self._ended.wait()

    async def check(self) -> None:
        """For readiness, informational.

        Raises:
            Unavailable: it is not in its group at present.
        """
        if not self._status.running:
            raise Unavailable(f"{self.name}: {self._status.last_error or 'not running'}")

    async def _turn(self) -> None:
        """Be a member of the group for as long as it goes well."""
        try:
            await self._consume()
        except Exception as error:  # noqa: BLE001  # whatever it is: nothing is lost by waiting
            self._failures += 1
            settings = self._settings
            wait_s = pause_after(
                self._failures, base=settings.retry_base_s, longest=settings.retry_max_s
            )
            name = type(error).__name__
            self._status = replace(self._status, last_error=name)
            log.warning(
                "consumer.failed", error=name, detail=str(error), retryInMs=round(wait_s * 1000, 3)
            )
            await pause(self._stopping, wait_s)

    async def _consume(self) -> None:
        await self._bus.ensure_topics([*self._topics, topic_of(self._group)])
        joining = self._bus.subscribe(self._group, self._topics, self._revoked)
        subscription = await unless(self._stopping, joining)
        if subscription is None:
            return
        log.info("consumer.started", topics=self._topics)
        self._status = replace(self._status, running=True, last_error=None)
        try:
            while not self._stopping.is_set():
                batches = await unless(self._stopping, subscription.poll(POLL_S))
                self._failures = 0
                self._note_lag(subscription)
                self._start(subscription, batches or {})
            await self._drain(frozenset(self._lanes), self._settings.handler_timeout_s)
        finally:
            self._status = replace(self._status, running=False)
            await self._drain(frozenset(self._lanes), 0)
            await subscription.close()
            log.info("consumer.stopped")

    def _note_lag(self, subscription: Subscription) -> None:
        lag = subscription.lag()
        LAG.labels(self._group).set(lag)
        self._status = replace(self._status, lag=lag)

    def _start(
        self, subscription: Subscription, batches: Mapping[Partition, Sequence[Record]]
    ) -> None:
        """Begin work on what was polled; raises what broke a lane."""
        for lane in self._lanes.values():
            if lane.task and lane.task.done() and not lane.task.cancelled():
                lane.task.result()
        for partition, records in batches.items():
            lane = self._lanes[partition] = _Lane()
            work = self._work(subscription, lane, records)
            lane.task = asyncio.create_task(work, name=f"{self.name}:{partition}")

    async def _work(
        self, subscription: Subscription, lane: _Lane, records: Sequence[Record]
    ) -> None:
        """Handle the records in order, and commit as far as that went."""
        done: Record | None = None
        partition = records[0].position.partition
        try:
            for record in records:
                if lane.interrupted.is_set() or self._stopping.is_set():
                    break
                if not await self._dispatcher.dispatch(record, lane.interrupted):
                    break
                done = record
        finally:
            if done is not None:
                await subscription.commit(done.position)
        if not lane.interrupted.is_set():
            del self._lanes[partition]
            subscription.release(partition)

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        log.info("consumer.revoked", partitions=len(partitions))
        await self._drain(partitions, self._settings.grace_s)

    async def _drain(self, partitions: frozenset[Partition], grace_s: float) -> None:
        """Let lanes finish their current event, and commit; cancel those that take too long."""
        lanes = [self._lanes[p] for p in partitions if p in self._lanes]
        for lane in lanes:
            lane.interrupted.set()
        tasks = [lane.task for lane in lanes if lane.task]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for partition in partitions:
            self._lanes.pop(partition, None)
