"""Processes that die, brokers and databases that go away, and effects that still happen once."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from structlog.typing import EventDict

from libs.events.bus import Bus, Partition, Revoked
from libs.events.consumer import Consumer
from libs.events.kafka import KafkaBus
from libs.events.kafka_subscription import KafkaSubscription
from libs.events.outbox import OutboxQueue, OutboxSession
from libs.events.relay import Relay
from libs.events.settings import EventSettings
from tests.events import Noted, running
from tests.integration.events.brokers import Broker
from tests.integration.events.conftest import Modules
from tests.integration.events.flow import (
    RELAY,
    all_published,
    consumer_of,
    effects,
    has_effects,
    kill,
    publish,
    relay_of,
    unpublished,
)
from tests.waiting import until


class DyingBus(KafkaBus):
    """Its consumers come as far as to the commit, and no further."""

    def __init__(self) -> None:
        super().__init__()
        self.about_to_commit = asyncio.Event()

    async def subscribe(
        self, group: str, topics: Sequence[str], revoked: Revoked
    ) -> KafkaSubscription:
        subscription = await super().subscribe(group, topics, revoked)

        async def commit(_: Mapping[Partition, int]) -> bool:
            self.about_to_commit.set()
            return await asyncio.Future()

        subscription.commit = commit  # type: ignore[method-assign,assignment]
        return subscription


class DyingQueue(OutboxQueue):
    """Its relays come as far as to marking what is published, and no further."""

    about_to_mark: asyncio.Event

    @asynccontextmanager
    async def session(self) -> AsyncIterator[OutboxSession]:
        async with super().session() as session:

            async def mark(_: Sequence[UUID]) -> None:
                self.about_to_mark.set()
                await asyncio.Event().wait()

            session.mark = mark  # type: ignore[method-assign,assignment]
            yield session


async def test_a_consumer_that_dies_in_the_handler_leaves_the_event_to_the_next(
    modules: Modules, broker: Broker, bus: Bus
) -> None:
    at_work = asyncio.Event()

    async def hang(_: Noted) -> None:
        await modules.receiver.execute("INSERT INTO effects (what) VALUES ('half')")
        at_work.set()
        await asyncio.Event().wait()

    async with running(relay_of(modules.sender, bus)):
        async with running(consumer_of(modules.receiver, bus, hang)) as task:
            await publish(modules.sender, Noted(note_id="n", text="x"))
            await at_work.wait()
            await kill(task)
        async with running(consumer_of(modules.receiver, bus)):
            await until(has_effects(modules.receiver, "x"), "the effect, once")


async def test_a_consumer_that_dies_before_the_commit_does_not_repeat_the_effect(
    modules: Modules,
    broker: Broker,
    bus: KafkaBus,
    event_settings: EventSettings,
    log: list[EventDict],
) -> None:
    dying = DyingBus()
    dying.configure(event_settings)
    async with running(relay_of(modules.sender, bus)):
        async with running(consumer_of(modules.receiver, dying)) as task:
            await publish(modules.sender, Noted(note_id="n", text="x"))
            await dying.about_to_commit.wait()
            await kill(task)
        async with running(consumer_of(modules.receiver, bus)):
            await publish(modules.sender, Noted(note_id="n", text="y"))
            await until(has_effects(modules.receiver, "x", "y"), "both effects, once")
    await dying.close()
    assert [line["event"] for line in log].count("event.skipped") == 1


async def test_a_relay_that_dies_before_marking_publishes_again_under_the_same_id(
    modules: Modules, broker: Broker, bus: Bus, log: list[EventDict]
) -> None:
    queue = DyingQueue(modules.sender)
    queue.about_to_mark = asyncio.Event()
    async with running(consumer_of(modules.receiver, bus)):
        async with running(Relay(queue, bus, RELAY)) as task:
            [event_id] = await publish(modules.sender, Noted(note_id="n", text="x"))
            await queue.about_to_mark.wait()
            await kill(task)
        assert await unpublished(modules.sender) == 1
        async with running(relay_of(modules.sender, bus)):
            await publish(modules.sender, Noted(note_id="n", text="y"))
            await until(has_effects(modules.receiver, "x", "y"), "both effects")
    [skipped] = [line for line in log if line["event"] == "event.skipped"]
    assert skipped["eventId"] == str(event_id)
    assert await effects(modules.receiver) == ["x", "y"]


async def test_one_relay_is_active_and_another_takes_over(
    modules: Modules, broker: Broker, bus: Bus
) -> None:
    first, second = relay_of(modules.sender, bus), relay_of(modules.sender, bus)

    async def first_is_active() -> bool:
        return first.status.active

    async def second_is_active() -> bool:
        return second.status.active

    async with running(first) as task:
        await until(first_is_active, "the first is active")
        async with running(second):
            await publish(modules.sender, Noted(note_id="n"))
            await until(all_published(modules.sender), "the first publishes")
            assert not second.status.active
            await second.check()
            await kill(task)
            async with asyncio.timeout(5):
                await until(second_is_active, "the second takes over")
            await publish(modules.sender, Noted(note_id="n"))
            await until(all_published(modules.sender), "the second publishes")


async def test_a_relay_survives_the_loss_of_its_database_connection(
    modules: Modules, broker: Broker, bus: Bus, log: list[EventDict]
) -> None:
    async with running(relay_of(modules.sender, bus)):
        await publish(modules.sender, Noted(note_id="n"))
        await until(all_published(modules.sender), "the first is published")
        await modules.sender.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
            f"throughline/{modules.sender.name}/relay",
        )
        await publish(modules.sender, Noted(note_id="n"))
        await until(all_published(modules.sender), "the second is published")
    assert "relay.failed" in [line["event"] for line in log]


async def test_the_broker_need_not_be_there_at_the_start(
    modules: Modules, stopped_broker: Broker, bus: Bus, log: list[EventDict]
) -> None:
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        await publish(modules.sender, Noted(note_id="n", text="x"))

        async def both_failed() -> bool:
            return {"relay.failed", "consumer.failed"} <= {line["event"] for line in log}

        await until(both_failed, "both have noticed")
        await stopped_broker.start()
        await until(has_effects(modules.receiver, "x"), "the effect")


async def test_the_broker_may_go_away_and_come_back(
    modules: Modules, broker: Broker, bus: Bus, log: list[EventDict]
) -> None:
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        await publish(modules.sender, Noted(note_id="n", text="before"))
        await until(has_effects(modules.receiver, "before"), "the first effect")
        await broker.pause()  # not stopped: this one would come back empty, which Kafka does not
        await publish(modules.sender, Noted(note_id="n", text="while"))

        async def relay_failed() -> bool:
            return "relay.failed" in [line["event"] for line in log]

        await until(relay_failed, "the relay has noticed")
        assert await unpublished(modules.sender) == 1
        broker.resume()
        await publish(modules.sender, Noted(note_id="n", text="after"))
        await until(has_effects(modules.receiver, "before", "while", "after"), "all effects")


async def test_stopping_finishes_and_commits_the_event_at_hand(
    modules: Modules, broker: Broker, bus: Bus, log: list[EventDict]
) -> None:
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_: Noted) -> None:
        at_work.set()
        await go_on.wait()

    consumer: Consumer = consumer_of(modules.receiver, bus, handle)
    async with running(relay_of(modules.sender, bus)):
        async with running(consumer):
            await publish(modules.sender, Noted(note_id="n", text="x"))
            await at_work.wait()
            stopping = asyncio.create_task(consumer.stop())
            go_on.set()
            await stopping
        assert await effects(modules.receiver) == ["x"]
        async with running(consumer_of(modules.receiver, bus)):
            await publish(modules.sender, Noted(note_id="n", text="y"))
            await until(has_effects(modules.receiver, "x", "y"), "the second effect")
    assert "event.skipped" not in [line["event"] for line in log]
