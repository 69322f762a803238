import pytest

from libs.errors import Unavailable
from libs.events.bus import Partition, Record, Subscription
from libs.events.memory import MemoryBus
from tests.events import Noted
from tests.unit.events.factory import bus_with_topics, message_of


async def ignore(_: frozenset[Partition]) -> None:
    pass


async def poll(subscription: Subscription) -> list[Record]:
    found = await subscription.poll(0.001)
    return [record for _, records in sorted(found.items()) for record in records]


async def test_a_key_stays_in_one_partition_in_order() -> None:
    bus = await bus_with_topics()
    positions = await bus.publish([message_of(Noted(note_id=k)) for k in ("a", "b", "a")])
    assert positions[0].partition == positions[2].partition
    assert positions[2].offset > positions[0].offset


async def test_what_was_not_committed_comes_again() -> None:
    bus = await bus_with_topics(partitions=1)
    await bus.publish([message_of(Noted(note_id=k)) for k in "abc"])
    first = await bus.subscribe("g", ["notes"], ignore)
    records = await poll(first)
    assert await first.commit({records[0].position.partition: 1})
    await first.close()
    second = await bus.subscribe("g", ["notes"], ignore)
    assert await poll(second) == records[1:]


async def test_each_group_gets_everything() -> None:
    bus = await bus_with_topics()
    await bus.publish([message_of(Noted(note_id=k)) for k in "abc"])
    for group in ("g", "h"):
        assert len(await poll(await bus.subscribe(group, ["notes"], ignore))) == 3


async def test_a_partition_is_held_until_released() -> None:
    bus = await bus_with_topics(partitions=1)
    subscription = await bus.subscribe("g", ["notes"], ignore)
    await bus.publish([message_of(Noted(note_id="a"))])
    [first] = await poll(subscription)
    subscription.hold(first.position.partition)
    [position] = await bus.publish([message_of(Noted(note_id="b"))])
    assert await poll(subscription) == []
    subscription.release(first.position.partition)
    [second] = await poll(subscription)
    assert second.position == position


async def test_members_share_partitions_and_say_goodbye_first() -> None:
    bus = await bus_with_topics(partitions=2)
    lost: list[Partition] = []

    async def revoked(partitions: frozenset[Partition]) -> None:
        lost.extend(partitions)

    first = await bus.subscribe("g", ["notes"], revoked)
    second = await bus.subscribe("g", ["notes"], ignore)
    await bus.publish([message_of(Noted(note_id=str(n))) for n in range(20)])
    mine = {record.position.partition for record in await poll(first)}
    theirs = {record.position.partition for record in await poll(second)}
    assert len(mine) == len(theirs) == 1
    assert theirs == set(lost)
    [position] = await bus.publish([message_of(Noted(note_id="x"))])
    assert await first.commit({position.partition: position.offset + 1}) == (
        position.partition in mine
    )
    await second.close()
    assert sum((await first.lag()).values()) > 0


async def test_a_broker_that_is_down_raises() -> None:
    bus = MemoryBus()
    bus.down = True
    with pytest.raises(Unavailable):
        await bus.ensure_topics(["notes"])
    with pytest.raises(Unavailable):
        await bus.publish([])
    with pytest.raises(Unavailable):
        await bus.subscribe("g", ["notes"], ignore)


async def test_there_is_no_publishing_to_a_topic_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="no topic"):
        await MemoryBus().publish([message_of(Noted(note_id="a"))])
