"""A membership in a consumer group of Kafka's."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from libs.events.bus import Partition, Position, Record, Revoked
from libs.events.kafka_errors import translated
from libs.events.settings import EventSettings
from libs.logging import get_logger
from libs.waiting import pause, unless

log = get_logger()

MAX_POLL_RECORDS: Final = 500


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """A consumer in its group. Implements `bus.Subscription`."""

    def __init__(
        self, consumer: AIOKafkaConsumer, settings: EventSettings, revoked: Revoked
    ) -> None:
        self._consumer = consumer
        self._settings = settings
        self._revoked = revoked
        self._done: dict[TopicPartition, int] = {}
        self._held: set[TopicPartition] = set()
        self._released = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the client, before it asks for a new assignment."""
        if lost := frozenset(self._ours(partition) for partition in revoked):
            await self._revoked(lost)

    async def on_partitions_assigned(self, _assigned: Iterable[TopicPartition]) -> None:
        """Called by the client; what it fetches then starts at the committed offsets."""
        self._done.clear()
        self._held.clear()
        self._released.set()

    async def poll(self, timeout: float) -> dict[Partition, list[Record]]:
        self._released.clear()
        wanted = self._consumer.assignment() - self._held if self._held else ()
        if self._held and not wanted:
            await pause(self._released, timeout)
            return {}
        # Not the client's own pausing: it throws away what it has already fetched.
        polling = self._consumer.getmany(
            *wanted, timeout_ms=int(timeout * 1000), max_records=MAX_POLL_RECORDS
        )
        async with translated("polling"):
            found = await unless(self._released, polling) or {}
        for partition, records in found.items():
            self._done.setdefault(partition, records[0].offset)
        return {
            self._ours(partition): [self._record(record) for record in records]
            for partition, records in found.items()
        }

    def hold(self, partition: Partition) -> None:
        self._held.add(self._theirs(partition))

    def release(self, partition: Partition) -> None:
        self._held.discard(self._theirs(partition))
        self._released.set()

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        theirs = {self._theirs(partition): offset for partition, offset in offsets.items()}
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                await self._consumer.commit(theirs)
        except (KafkaError, OSError) as error:
            log.warning(
                "consumer.commit_failed",
                offsets={f"{p.topic}:{p.number}": offset for p, offset in offsets.items()},
                error=type(error).__name__,
            )
            return False
        self._done |= theirs
        return True

    async def lag(self) -> dict[Partition, int]:
        ends = {p: self._consumer.highwater(p) for p in self._consumer.assignment()}
        ends |= await self._ends_of_held()
        return {
            self._ours(p): max(0, end - self._done[p])
            for p, end in ends.items()
            if end is not None and p in self._done
        }

    async def _ends_of_held(self) -> dict[TopicPartition, int]:
        """Where partitions end of which nothing is fetched at present."""
        held = self._held & self._consumer.assignment()
        if not held:
            return {}
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                return dict(await self._consumer.end_offsets(held))
        except (KafkaError, OSError):
            return {}

    async def close(self) -> None:
        async with translated("leaving the group"):
            await self._consumer.stop()

    def _ours(self, partition: TopicPartition) -> Partition:
        return Partition(
            partition.topic.removeprefix(self._settings.topic_prefix), partition.partition
        )

    def _theirs(self, partition: Partition) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + partition.topic, partition.number)

    def _record(self, record: ConsumerRecord) -> Record:
        partition = self._ours(TopicPartition(record.topic, record.partition))
        return Record(
            Position(partition, record.offset), record.key, record.value, tuple(record.headers)
        )
