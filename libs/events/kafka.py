"""The adapter to Kafka: one producer for the process, a consumer for each subscription.

Nothing needs the broker to be there when the process starts: the connection is made by the first
call that needs it, and made again after a failure that the client cannot get over.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.errors import Unavailable
from libs.events.bus import Message, Partition, Position, Revoked
from libs.events.kafka_errors import translated
from libs.events.kafka_producer import METADATA_MAX_AGE_MS, Producer
from libs.events.kafka_subscription import KafkaSubscription
from libs.events.kafka_topics import topic_admin
from libs.events.settings import EventSettings
from libs.events.topics import Difference, Topic, topic
from libs.logging import get_logger

log = get_logger()

REBALANCE_TIMEOUT_MS: Final = 30_000
JOIN_TIMEOUT_MS: Final = 35_000  # joining a group is answered when all members have joined
LONGEST_SILENCE_MS: Final = 24 * 3_600_000  # between polls; a consumer has its own supervision


class KafkaBus:
    """A Kafka cluster, or what speaks its protocol. Shared by all modules of a process."""

    def __init__(self) -> None:
        self._settings = EventSettings()
        self._configured = False
        self._connecting = asyncio.Lock()
        self._producer: Producer | None = None
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
        """Let go of the producer; what was handed to it is sent before, if that can be done."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.close(self._settings.request_timeout_ms / 1000)

    async def ensure_topics(self, names: Sequence[str]) -> None:
        """See `Bus`. Which topics are there is remembered until something fails.

        Raises:
            Unavailable: also if a topic is missing and the settings forbid to create it.
        """
        wanted = set(names) - self._topics
        if not wanted:
            return
        async with translated("creating topics"), topic_admin(self._settings) as admin:
            missing = sorted(wanted - await admin.existing())
            if missing and not self._settings.create_topics:
                raise Unavailable(
                    f"no topic {', '.join(missing)}: run `throughline events topics --apply`"
                )
            if missing:
                await admin.create([topic(name, self._settings) for name in missing])
        self._topics |= wanted

    async def topic_differences(self, topics: Sequence[Topic]) -> list[Difference]:
        """What about these topics is not as declared.

        Raises:
            Unavailable: the broker cannot be reached.
        """
        async with translated("reading topics"), topic_admin(self._settings) as admin:
            return await admin.differences(topics)

    async def apply_topics(self, topics: Sequence[Topic]) -> list[Difference]:
        """Make topics as declared; returns what is not, because it cannot be done without harm.

        Raises:
            Unavailable: the broker cannot be reached.
        """
        async with translated("changing topics"), topic_admin(self._settings) as admin:
            return await admin.apply(topics)

    async def publish(self, messages: Sequence[Message]) -> list[Position]:
        """See `Bus`."""
        try:
            # An idempotent producer would not stop trying: a message that was given up here, and is
            # published again, could then come many times.
            async with translated("publishing"), asyncio.timeout(self._patience_s):
                return await self._publish(await self._connected(), messages)
        except Unavailable as error:
            self._topics.clear()
            if not _passes(error.__cause__):
                await self._abandon_producer()
            raise

    async def _publish(self, producer: Producer, messages: Sequence[Message]) -> list[Position]:
        numbers = {
            name: sorted(await producer.partitions_for(self._full(name)))
            for name in {message.topic for message in messages}
        }
        parts: defaultdict[Partition, list[int]] = defaultdict(list)
        for index, message in enumerate(messages):
            number = _choose(message.key, numbers[message.topic])
            parts[Partition(message.topic, number)].append(index)
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

    async def _publish_part(
        self, producer: Producer, partition: Partition, messages: Sequence[Message]
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
            max_poll_interval_ms=LONGEST_SILENCE_MS,
        )
        subscription = KafkaSubscription(consumer, settings, revoked)
        async with translated("subscribing"):
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

    async def _connected(self) -> Producer:
        """The producer, started."""
        async with self._connecting:
            if self._producer is None:
                producer = Producer(self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await producer.abandon()
                    raise
                self._producer = producer
            return self._producer

    async def _abandon_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.abandon()

    @property
    def _patience_s(self) -> float:
        """How long publishing may take: some requests, one after another."""
        return 2 * self._settings.request_timeout_ms / 1000

    def _full(self, name: str) -> str:
        return self._settings.topic_prefix + name


def _choose(key: bytes, numbers: list[int]) -> int:
    """The partition of a key, by the rule that all of Kafka's clients share."""
    return int(DefaultPartitioner()(key, numbers, numbers))


def _passes(error: BaseException | None) -> bool:
    """Whether a producer gets over the error by itself."""
    return isinstance(error, KafkaTimeoutError) or getattr(error, "retriable", False)


def _append(batch: BatchBuilder, message: Message) -> bool:
    """Add a message; False if the batch is full. A first one always fits."""
    headers = list(message.headers)
    return (
        batch.append(timestamp=None, key=message.key, value=message.value, headers=headers)
        is not None
    )
