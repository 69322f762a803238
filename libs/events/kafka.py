"""The adapter to Kafka: one producer for the process, a consumer for each subscription.

Nothing needs the broker to be there when the process starts: the connection is made by the first
call that needs it, and made again after a failure that the client cannot get over.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.errors import Unavailable
from libs.events.bus import Message, Partition, Position, Record, Revoked
from libs.events.settings import EventSettings
from libs.logging import get_logger

log = get_logger()

MAX_BATCH_BYTES: Final = 256 * 1024
MAX_POLL_RECORDS: Final = 100
METADATA_MAX_AGE_MS: Final = 30_000
REBALANCE_TIMEOUT_MS: Final = 30_000
JOIN_TIMEOUT_MS: Final = 35_000  # joining a group is answered when all members have joined


@asynccontextmanager
async def _translated(what: str) -> AsyncIterator[None]:
    """Turns the client's errors into ours."""
    try:
        yield
    except (KafkaError, ConsumerStoppedError, OSError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}", retry_after=1.0) from error


class KafkaBus:
    """A Kafka cluster, or what speaks its protocol. Shared by all modules of a process."""

    def __init__(self) -> None:
        self._settings = EventSettings()
        self._configured = False
        self._connecting = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._topics: set[str] = set()

    def configure(self, settings: EventSettings) -> None:
        """Say where the broker is; every module of the process says the same.

        Raises:
            ValueError: another module said something else.
        """
        if self._configured and settings != self._settings:
            raise ValueError("the modules of a process share one broker: their settings differ")
        self._settings = settings
        self._configured = True

    async def open(self) -> None:
        """Nothing: the broker need not be there yet."""

    async def close(self) -> None:
        """Let go of the producer; what was handed to it is sent before."""
        await self._drop_producer()

    async def ensure_topics(self, names: Sequence[str]) -> None:
        """See `Bus`. Which topics are there is remembered until something fails."""
        missing = sorted(set(names) - self._topics)
        if not missing:
            return
        settings = self._settings
        async with _translated("creating topics"):
            admin = AIOKafkaAdminClient(
                bootstrap_servers=settings.bootstrap_servers,
                request_timeout_ms=settings.request_timeout_ms,
            )
            try:
                await admin.start()
                existing = set(await admin.list_topics())
                new = [name for name in missing if self._full(name) not in existing]
                if new:
                    await self._create(admin, new)
            finally:
                await admin.close()
        self._topics.update(missing)

    async def _create(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
        settings = self._settings
        topics = [
            NewTopic(self._full(name), settings.partitions, settings.replication) for name in names
        ]
        response = await admin.create_topics(topics)
        for topic, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(topic)
        log.info("kafka.topics_created", topics=[topic.name for topic in topics])

    async def publish(self, messages: Sequence[Message]) -> list[Position]:
        """See `Bus`."""
        try:
            async with _translated("publishing"):
                return await self._publish(await self._connected(), messages)
        except Unavailable as error:
            self._topics.clear()
            if not _passes(error.__cause__):
                await self._drop_producer()
            raise

    async def _publish(
        self, producer: AIOKafkaProducer, messages: Sequence[Message]
    ) -> list[Position]:
        parts: defaultdict[Partition, list[int]] = defaultdict(list)
        for index, message in enumerate(messages):
            parts[await self._partition(producer, message)].append(index)
        sends = (
            self._publish_part(producer, partition, [messages[index] for index in indexes])
            for partition, indexes in parts.items()
        )
        positions: dict[int, Position] = {}
        results = await asyncio.gather(*sends, return_exceptions=True)  # none is left running
        for indexes, result in zip(parts.values(), results, strict=True):
            if isinstance(result, BaseException):
                raise result
            positions.update(zip(indexes, result, strict=True))
        return [positions[index] for index in range(len(messages))]

    async def _partition(self, producer: AIOKafkaProducer, message: Message) -> Partition:
        numbers = sorted(await producer.partitions_for(self._full(message.topic)))
        return Partition(message.topic, DefaultPartitioner()(message.key, numbers, numbers))

    async def _publish_part(
        self, producer: AIOKafkaProducer, partition: Partition, messages: Sequence[Message]
    ) -> list[Position]:
        """Publish what belongs to one partition, in batches that are stored whole or not at all.

        One by one, and not by the client's own batching, after which a message could be stored
        though the one before it was not.
        """
        waiting, positions = deque(messages), list[Position]()
        while waiting:
            batch, size = producer.create_batch(), 0
            while waiting and _append(batch, waiting[0]):
                waiting.popleft()
                size += 1
            topic = self._full(partition.topic)
            stored = await (await producer.send_batch(batch, topic, partition=partition.number))
            positions += (Position(partition, stored.offset + n) for n in range(size))
        return positions

    async def subscribe(
        self, group: str, topics: Sequence[str], revoked: Revoked
    ) -> "KafkaSubscription":
        """See `Bus`."""
        settings = self._settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers,
            group_id=self._full(group),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            request_timeout_ms=JOIN_TIMEOUT_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 4,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        )
        subscription = KafkaSubscription(consumer, settings, revoked)
        async with _translated("subscribing"):
            try:
                consumer.subscribe([self._full(name) for name in topics], listener=subscription)
                await consumer.start()
                self._check_topics(consumer, topics)
            except BaseException:
                await consumer.stop()
                raise
        return subscription

    def _check_topics(self, consumer: AIOKafkaConsumer, names: Sequence[str]) -> None:
        """A consumer would wait for a topic that is not there, and not say so."""
        if missing := [n for n in names if not consumer.partitions_for_topic(self._full(n))]:
            self._topics.clear()
            raise UnknownTopicOrPartitionError(", ".join(missing))

    async def _connected(self) -> AIOKafkaProducer:
        """The producer, started."""
        async with self._connecting:
            if self._producer is None:
                settings = self._settings
                producer = AIOKafkaProducer(
                    bootstrap_servers=settings.bootstrap_servers,
                    acks="all",
                    enable_idempotence=settings.enable_idempotence,
                    request_timeout_ms=settings.request_timeout_ms,
                    metadata_max_age_ms=METADATA_MAX_AGE_MS,
                    max_batch_size=MAX_BATCH_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def _full(self, name: str) -> str:
        return self._settings.topic_prefix + name


def _passes(error: BaseException | None) -> bool:
    """Whether a producer gets over the error by itself."""
    return isinstance(error, OSError | KafkaTimeoutError) or getattr(error, "retriable", False)


def _append(batch: BatchBuilder, message: Message) -> bool:
    """Add a message; False if the batch is full. A first one always fits."""
    headers = list(message.headers)
    return (
        batch.append(timestamp=None, key=message.key, value=message.value, headers=headers)
        is not None
    )


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """A consumer in its group. Implements `Subscription`."""

    def __init__(
        self, consumer: AIOKafkaConsumer, settings: EventSettings, revoked: Revoked
    ) -> None:
        self._consumer = consumer
        self._settings = settings
        self._revoked = revoked
        self._next: dict[TopicPartition, int] = {}

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the client, before it asks for a new assignment."""
        if lost := frozenset(self._ours(partition) for partition in revoked):
            await self._revoked(lost)

    async def on_partitions_assigned(self, _assigned: Iterable[TopicPartition]) -> None:
        """Called by the client; what it fetches then starts at the committed offsets."""
        self._next.clear()

    async def poll(self, timeout: float) -> dict[Partition, list[Record]]:
        async with _translated("polling"):
            found = await self._consumer.getmany(
                timeout_ms=int(timeout * 1000), max_records=MAX_POLL_RECORDS
            )
            self._consumer.pause(*found)
        for partition, records in found.items():
            self._next.setdefault(partition, records[0].offset)
        return {
            self._ours(partition): [self._record(record) for record in records]
            for partition, records in found.items()
        }

    def release(self, partition: Partition) -> None:
        with suppress(IllegalStateError):  # it was lost meanwhile
            self._consumer.resume(self._theirs(partition))

    async def commit(self, position: Position) -> None:
        partition, offset = self._theirs(position.partition), position.offset + 1
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                await self._consumer.commit({partition: offset})
        except (KafkaError, OSError) as error:
            log.warning(
                "consumer.commit_failed",
                topic=position.partition.topic,
                partition=position.partition.number,
                offset=offset,
                error=type(error).__name__,
            )
        else:
            self._next[partition] = offset

    def lag(self) -> int:
        ends = {p: self._consumer.highwater(p) for p in self._consumer.assignment()}
        return sum(
            max(0, end - self._next[p]) for p, end in ends.items() if end and p in self._next
        )

    async def close(self) -> None:
        async with _translated("leaving the group"):
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
