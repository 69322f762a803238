"""From a committed transaction to an effect in another module."""

from datetime import UTC, datetime

import pytest
from structlog.typing import EventDict

from libs.context import RequestContext, use
from libs.db.unit_of_work import unit_of_work
from libs.events.bus import Bus
from libs.events.handling import received
from libs.events.kafka import KafkaBus
from libs.events.outbox import MAX_PAYLOAD, Outbox
from libs.events.republish import republish
from libs.events.settings import EventSettings
from libs.events.topics import dead_letter_topic
from tests.events import Noted, running
from tests.integration.events.brokers import TANSU, Broker
from tests.integration.events.conftest import Modules
from tests.integration.events.flow import (
    Broken,
    all_published,
    consumer_of,
    effects,
    has_effects,
    publish,
    read_topic,
    relay_of,
    unpublished,
)
from tests.waiting import until

CONTEXT = RequestContext(context_id="ctx-of-a-test", service="sender", actor="user-1")


@pytest.fixture(autouse=True)
async def broker_is_up(broker: Broker) -> None:
    """All of these tests have a broker."""


async def test_committed_events_are_consumed_once_and_in_order(modules: Modules, bus: Bus) -> None:
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        await publish(modules.sender, *(Noted(note_id="n", text=str(n)) for n in range(5)))
        await until(has_effects(modules.receiver, *"01234"), "five effects")
    assert await effects(modules.receiver) == list("01234")


async def test_a_rollback_leaves_no_event(modules: Modules, bus: Bus) -> None:
    with pytest.raises(Broken):  # noqa: PT012
        async with unit_of_work(modules.sender):
            await Outbox(modules.sender).add(Noted(note_id="n", text="never"))
            raise Broken
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        await publish(modules.sender, Noted(note_id="n", text="ever"))
        await until(has_effects(modules.receiver, "ever"), "the effect")


async def test_events_are_added_in_a_unit_of_work_only(modules: Modules) -> None:
    with pytest.raises(RuntimeError, match="no open unit of work"):
        await Outbox(modules.sender).add(Noted(note_id="n"))
    assert await unpublished(modules.sender) == 0


async def test_an_event_that_the_broker_would_refuse_is_not_added(modules: Modules) -> None:
    async with unit_of_work(modules.sender):
        with pytest.raises(ValueError, match="limit"):
            await Outbox(modules.sender).add(Noted(note_id="n", text="x" * MAX_PAYLOAD))


async def test_the_context_goes_all_the_way(
    modules: Modules, bus: Bus, log: list[EventDict]
) -> None:
    seen = []

    async def handle(_: Noted) -> None:
        seen.append(received())

    consumer = consumer_of(modules.receiver, bus, handle)
    async with running(relay_of(modules.sender, bus)), running(consumer):
        with use(CONTEXT):
            [event_id] = await publish(modules.sender, Noted(note_id="n", text="x"))
        await until(has_effects(modules.receiver, "x"), "the effect")
    [added] = [line for line in log if line["event"] == "outbox.added"]
    [published] = [line for line in log if line["event"] == "event.published"]
    [consumed] = [line for line in log if line["event"] == "event.consumed"]
    for line in (added, published, consumed):
        assert line["contextId"] == CONTEXT.context_id
        assert line["userId"] == CONTEXT.actor
        assert (line["eventId"], line["eventType"]) == (str(event_id), "Noted")
    assert published["service"] == modules.sender.name
    assert "causationId" not in published
    assert (consumed["service"], consumed["causationId"]) == ("receiver", str(event_id))
    assert published.keys() >= {"topic", "partition", "offset", "durationMs", "ageMs"}
    assert consumed.keys() >= {"handler", "durationMs", "attempt"}
    assert seen[0].source == f"/throughline/{modules.sender.name}"
    assert datetime.now(UTC) >= seen[0].time


async def test_a_poisonous_event_goes_to_the_dead_letters_and_the_rest_goes_on(
    modules: Modules, bus: Bus
) -> None:
    async def handle(event: Noted) -> None:
        if event.text == "poison":
            raise Broken("no good")

    consumer = consumer_of(modules.receiver, bus, handle)
    events = [Noted(note_id="n", text=text) for text in ("poison", "good")]
    async with running(relay_of(modules.sender, bus)), running(consumer):
        ids = await publish(modules.sender, *events)
        await until(has_effects(modules.receiver, "good"), "the effect of the second")
    [dead] = await read_topic(bus, dead_letter_topic("receiver"), 1)
    headers = dict(dead.headers)
    assert headers["ce_id"].decode() == str(ids[0])
    assert headers["deadletter-reason"] == b"no good"
    assert headers["deadletter-error"] == b"Broken"
    assert headers["deadletter-attempts"] == b"3"
    assert headers["deadletter-topic"] == b"notes"
    assert headers["deadletter-handler"] == b"effects.write"
    assert dead.value is not None
    assert Noted.from_json(dead.value).text == "poison"


async def test_members_of_a_group_share_the_work(modules: Modules, bus: Bus) -> None:
    first, second = (consumer_of(modules.receiver, bus) for _ in range(2))
    wanted = [str(n) for n in range(40)]
    events = [Noted(note_id=f"n{n}", text=n) for n in wanted]
    async with running(relay_of(modules.sender, bus)), running(first):
        await publish(modules.sender, *events[:10])
        async with running(second):
            await publish(modules.sender, *events[10:20])
            await until(has_effects(modules.receiver, *wanted[:20]), "the effects so far")
            await publish(modules.sender, *events[20:30])
        await publish(modules.sender, *events[30:])
        await until(has_effects(modules.receiver, *wanted), "all effects, after two rebalances")


@pytest.mark.parametrize("kind", [TANSU], indirect=True)
async def test_republishing_makes_up_for_what_the_broker_lost(
    modules: Modules,
    bus: Bus,
    broker: Broker,
    event_settings: EventSettings,
    log: list[EventDict],
) -> None:
    since = datetime.now(UTC)
    async with running(relay_of(modules.sender, bus)):
        async with running(consumer_of(modules.receiver, bus)):
            await publish(modules.sender, Noted(note_id="n", text="handled"))
            await until(has_effects(modules.receiver, "handled"), "the first effect")
        await publish(modules.sender, Noted(note_id="n", text="lost"))
        await until(all_published(modules.sender), "nothing left to publish")
    await broker.stop()
    await broker.start()
    again = KafkaBus()  # as after a restart of the process: Tansu takes what an old client sends
    again.configure(event_settings)  # to a topic that is gone, and drops it
    assert await republish(modules.sender, since) == 2
    relay, consumer = relay_of(modules.sender, again), consumer_of(modules.receiver, again)
    async with running(relay), running(consumer):
        await until(has_effects(modules.receiver, "handled", "lost"), "the second effect")
    await again.close()
    assert [line["event"] for line in log].count("event.skipped") == 1


async def test_only_what_was_published_in_the_given_time_is_published_again(
    modules: Modules, bus: Bus
) -> None:
    async with running(relay_of(modules.sender, bus)):
        await publish(modules.sender, Noted(note_id="n", text="before"))
        await until(all_published(modules.sender), "the first is published")
        since = datetime.now(UTC)
        await publish(modules.sender, Noted(note_id="n", text="after"))
        await until(all_published(modules.sender), "the second is published")
    assert await republish(modules.sender, since) == 1
    assert await republish(modules.sender, since) == 0
    assert await unpublished(modules.sender) == 1
