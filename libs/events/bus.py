"""The port to a message broker. Adapters: `kafka.KafkaBus`, and `memory.MemoryBus` for tests.

Names of topics and groups are ours, without the prefix that an adapter may put before them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published. Messages with one key go to one partition, in order."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A part of a topic: the unit of order, and of sharing work in a group."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where the broker put a message."""

    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a broker delivers. Nothing is known yet of whether it makes sense."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


Revoked = Callable[[frozenset[Partition]], Awaitable[None]]
"""Called before partitions go to another member of the group: finish, and commit, what is at hand
of them. When it returns they are lost."""


class Subscription(Protocol):
    """A membership in a consumer group.

    Whoever has one keeps polling, whatever else goes on: polling shows the broker that it lives.
    """

    async def poll(self, timeout: float) -> Mapping[Partition, Sequence[Record]]:
        """The next records of each assigned partition that is not held; empty after `timeout` s."""

    def hold(self, partition: Partition) -> None:
        """Give no more of this partition until `release`, or until it was lost and came again."""

    def release(self, partition: Partition) -> None:
        """Give more of this partition. Without effect on one that was lost meanwhile."""

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Note that everything before these offsets is done.

        Returns:
            False if the broker refuses or cannot be reached. That is logged, and leads to delivery
            again, which a consumer has to bear anyway.
        """

    async def lag(self) -> Mapping[Partition, int]:
        """How many records wait in each assigned partition, as far as is known."""

    async def close(self) -> None:
        """Leave the group. Commits nothing; `Revoked` is not called."""


class Bus(Protocol):
    """A broker. Every method raises `libs.errors.Unavailable` when it cannot be reached."""

    async def ensure_topics(self, names: Sequence[str]) -> None:
        """See to it that these topics are there."""

    async def publish(self, messages: Sequence[Message]) -> list[Position]:
        """Publish, and wait until the broker has stored all of it.

        When it raises, some messages may have been stored. Publishing all of them again keeps the
        order of first appearance within a partition: of two messages the later is never stored
        without the earlier.
        """

    async def subscribe(
        self, group: str, topics: Sequence[str], revoked: Revoked
    ) -> Subscription: ...
