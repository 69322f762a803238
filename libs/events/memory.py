"""A broker and an inbox in memory, for tests: the same rules, no server, nothing left to chance."""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from libs.errors import Unavailable
from libs.events.bus import Message, Partition, Position, Record, Revoked


class MemoryBus:
    """A broker that keeps everything and delivers again what was not committed.

    Attributes:
        down: while True the broker cannot be reached: publishing, subscribing and creating topics
            raise, polling finds nothing and commits are lost.
    """

    def __init__(self, partitions: int = 3) -> None:
        self.down = False
        self._partitions = partitions
        self._log: dict[Partition, list[Record]] = {}
        self._committed: defaultdict[str, dict[Partition, int]] = defaultdict(dict)
        self._members: defaultdict[str, list[_MemorySubscription]] = defaultdict(list)
        self._rebalancing = asyncio.Lock()

    async def ensure_topics(self, names: Sequence[str]) -> None:
        self._reach()
        wanted = [Partition(name, number) for name in names for number in range(self._partitions)]
        missing = [partition for partition in wanted if partition not in self._log]
        self._log.update((partition, []) for partition in missing)
        if missing:
            for group in list(self._members):
                await self._rebalance(group)

    async def publish(self, messages: Sequence[Message]) -> list[Position]:
        self._reach()
        return [self._append(message) for message in messages]

    async def subscribe(
        self, group: str, topics: Sequence[str], revoked: Revoked
    ) -> "_MemorySubscription":
        self._reach()
        member = _MemorySubscription(self, group, frozenset(topics), revoked)
        self._members[group].append(member)
        await self._rebalance(group)
        return member

    def records(self, topic: str) -> list[Record]:
        """What was published to a topic, partition by partition."""
        return [r for p, records in sorted(self._log.items()) if p.topic == topic for r in records]

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the broker is down")

    def _append(self, message: Message) -> Position:
        partition = Partition(message.topic, zlib.crc32(message.key) % self._partitions)
        if partition not in self._log:
            raise Unavailable(f"there is no topic {message.topic}")
        position = Position(partition, len(self._log[partition]))
        record = Record(position, message.key, message.value, message.headers)
        self._log[partition].append(record)
        for members in self._members.values():
            for member in members:
                member.news.set()
        return position

    async def _rebalance(self, group: str) -> None:
        """Share the partitions out anew, in turn; everybody gives up before anybody gets."""
        async with self._rebalancing:
            members = list(self._members[group])
            shares: dict[_MemorySubscription, set[Partition]] = {m: set() for m in members}
            for index, partition in enumerate(sorted(self._log)):
                wanting = [m for m in members if partition.topic in m.topics]
                if wanting:
                    shares[wanting[index % len(wanting)]].add(partition)
            for member, share in shares.items():
                if lost := frozenset(member.positions) - share:
                    for partition in lost:
                        member.hold(partition)
                    await member.revoked(lost)
            for member, share in shares.items():
                member.assign(share)


class _MemorySubscription:
    """A member. `positions` has the next offset of each partition that is assigned to it."""

    def __init__(
        self, bus: MemoryBus, group: str, topics: frozenset[str], revoked: Revoked
    ) -> None:
        self._bus = bus
        self._group = group
        self._held: set[Partition] = set()
        self.topics = topics
        self.revoked = revoked
        self.positions: dict[Partition, int] = {}
        self.news = asyncio.Event()

    def hold(self, partition: Partition) -> None:
        self._held.add(partition)

    def assign(self, share: set[Partition]) -> None:
        committed = self._bus._committed[self._group]  # noqa: SLF001  # two halves of one thing
        kept = {p: offset for p, offset in self.positions.items() if p in share}
        self.positions = {p: kept.get(p, committed.get(p, 0)) for p in sorted(share)}
        self._held &= share
        self.news.set()

    async def poll(self, timeout: float) -> Mapping[Partition, Sequence[Record]]:
        self.news.clear()
        if not (found := self._take()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), timeout)
            found = self._take()
        return found

    def _take(self) -> dict[Partition, list[Record]]:
        if self._bus.down:
            return {}
        found = {}
        for partition, offset in self.positions.items():
            records = self._bus._log[partition][offset:]  # noqa: SLF001
            if records and partition not in self._held:
                found[partition] = records
        for partition, records in found.items():
            self.positions[partition] += len(records)
        return found

    def release(self, partition: Partition) -> None:
        self._held.discard(partition)
        self.news.set()

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        if self._bus.down or not offsets.keys() <= self.positions.keys():
            return False
        self._bus._committed[self._group].update(offsets)  # noqa: SLF001
        return True

    async def lag(self) -> Mapping[Partition, int]:
        committed = self._bus._committed[self._group]  # noqa: SLF001
        return {p: len(self._bus._log[p]) - committed.get(p, 0) for p in self.positions}  # noqa: SLF001

    async def close(self) -> None:
        self.positions = {}
        self._bus._members[self._group].remove(self)  # noqa: SLF001
        await self._bus._rebalance(self._group)  # noqa: SLF001


class MemoryInbox:
    """An inbox without a database: a block that raises leaves no trace in `rows`.

    Attributes:
        rows: who has handled what.
        paused_groups: the groups that are paused.
    """

    def __init__(self) -> None:
        self.rows: set[tuple[str, UUID]] = set()
        self.paused_groups: set[str] = set()

    async def handled(self, consumer: str, event_id: UUID) -> bool:
        return (consumer, event_id) in self.rows

    @asynccontextmanager
    async def claim(self, consumer: str, event_id: UUID) -> AsyncIterator[bool]:
        yield (consumer, event_id) not in self.rows
        self.rows.add((consumer, event_id))

    @asynccontextmanager
    async def claim_all(
        self, claims: Sequence[tuple[str, UUID]]
    ) -> AsyncIterator[frozenset[tuple[str, UUID]]]:
        yield frozenset(claims) - self.rows
        self.rows |= set(claims)

    async def paused(self, group: str) -> bool:
        return group in self.paused_groups
