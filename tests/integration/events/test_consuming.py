"""Keys side by side, poison, outages, pauses: through the outbox, a broker and the inbox."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY
from structlog.typing import EventDict

from libs.errors import Unavailable
from libs.events.bus import Bus
from libs.events.consumer import Consumer
from libs.events.handling import Handler
from libs.events.inbox import DatabaseInbox
from libs.events.pausing import pause_group, resume_group
from libs.events.settings import ConsumerSettings
from libs.events.topics import dead_letter_topic
from tests.events import Noted, running
from tests.integration.events.brokers import Broker
from tests.integration.events.conftest import Modules
from tests.integration.events.flow import (
    Broken,
    consumer_of,
    effects,
    has_effects,
    publish,
    read_topic,
    relay_of,
)
from tests.waiting import until

NEIGHBOURS_S = 5.0


@pytest.fixture(autouse=True)
async def broker_is_up(broker: Broker) -> None:
    """All of these tests have a broker."""


def patient_consumer(modules: Modules, bus: Bus, poison: str) -> Consumer:
    """One with the settings as they are by default, of which a handler never gets over `poison`."""

    async def effect(event: Noted, _: None) -> None:
        if event.text == poison:
            raise Broken
        await modules.receiver.execute("INSERT INTO effects (what) VALUES ($1)", event.text)

    return Consumer(
        inbox=DatabaseInbox(modules.receiver),
        bus=bus,
        group="receiver",
        handlers=[Handler[Noted, None](name="effects.write", event=Noted, handle=effect)],
        settings=ConsumerSettings(),
    )


async def test_many_keys_go_side_by_side_and_each_in_its_order(modules: Modules, bus: Bus) -> None:
    keys, each = 20, 15
    wanted = [f"{key}/{n}" for n in range(each) for key in range(keys)]
    async with running(relay_of(modules.sender, bus)), running(consumer_of(modules.receiver, bus)):
        for text in wanted:
            await publish(modules.sender, Noted(note_id=text.split("/")[0], text=text))
        await until(has_effects(modules.receiver, *wanted), "all effects, once")
    happened = await effects(modules.receiver)
    for key in range(keys):
        of_key = [text for text in happened if text.startswith(f"{key}/")]
        assert of_key == [f"{key}/{n}" for n in range(each)]


async def test_a_poison_delays_its_own_key_and_not_its_neighbours(
    modules: Modules, bus: Bus
) -> None:
    neighbours = [f"n{n}" for n in range(60)]
    async with (
        running(relay_of(modules.sender, bus)),
        running(patient_consumer(modules, bus, "poison")),
    ):
        await publish(modules.sender, Noted(note_id="warm", text="up"))
        await until(has_effects(modules.receiver, "up"), "the consumer is at work")
        began = time.monotonic()
        await publish(modules.sender, Noted(note_id="p", text="poison"))
        await publish(modules.sender, Noted(note_id="p", text="behind"))
        await publish(modules.sender, *(Noted(note_id=text, text=text) for text in neighbours))
        await until(has_effects(modules.receiver, "up", *neighbours), "the neighbours")
        assert time.monotonic() - began <= NEIGHBOURS_S
        await until(has_effects(modules.receiver, "up", *neighbours, "behind"), "what is behind it")
    [dead] = await read_topic(bus, dead_letter_topic("receiver"), 1)
    headers = dict(dead.headers)
    assert headers["deadletter-attempts"] == b"6"
    assert b"test_consuming.py" in headers["deadletter-stack"]


async def test_an_outage_buries_nothing_and_is_not_stormed(
    modules: Modules, bus: Bus, log: list[EventDict]
) -> None:
    down = True

    async def handle(_: Noted) -> None:
        if down:
            raise Unavailable

    texts = [f"t{n}" for n in range(50)]
    async with (
        running(relay_of(modules.sender, bus)),
        running(consumer_of(modules.receiver, bus, handle)),
    ):
        await publish(modules.sender, *(Noted(note_id=text, text=text) for text in texts))
        await until(lambda: _count(log, "event.retry") > 10, "some attempts")
        down = False
        await until(has_effects(modules.receiver, *texts), "all effects, once")
    assert _count(log, "event.dead_lettered") == 0


async def test_a_paused_group_waits_and_its_lag_is_told(modules: Modules, bus: Bus) -> None:
    consumer = consumer_of(modules.receiver, bus)
    assert await pause_group(modules.receiver, "receiver", "a test")
    assert not await pause_group(modules.receiver, "receiver", "again")
    async with running(relay_of(modules.sender, bus)), running(consumer):
        await publish(modules.sender, *(Noted(note_id=str(n), text=str(n)) for n in range(9)))
        await until(lambda: consumer.status.lag == 9, "the lag is known")
        await until(lambda: consumer.status.paused, "it is paused")
        assert sum(_lag_of("receiver")) == 9
        assert await effects(modules.receiver) == []
        assert await resume_group(modules.receiver, "receiver")
        await until(has_effects(modules.receiver, *map(str, range(9))), "all effects")
        await until(lambda: consumer.status.lag == 0, "no lag")
        assert not consumer.status.paused


async def test_a_handler_that_cannot_go_on_is_cut_off_and_the_partition_goes_over(
    modules: Modules, bus: Bus
) -> None:
    hanging = asyncio.Event()

    async def hang(event: Noted) -> None:
        if event.text == "x":
            hanging.set()
            await asyncio.Event().wait()

    settings = ConsumerSettings(grace_s=0.1, retry_base_s=0.01, retry_max_s=0.1)
    first = consumer_of(modules.receiver, bus, hang, settings=settings)
    second = consumer_of(modules.receiver, bus)
    texts = ["x", *map(str, range(20))]
    async with running(relay_of(modules.sender, bus)):
        task = asyncio.create_task(first.run())
        await publish(modules.sender, *(Noted(note_id=text, text=text) for text in texts))
        await hanging.wait()
        async with running(second):
            await until(lambda: second.status.running, "the second is in the group")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(has_effects(modules.receiver, *texts), "all effects, once")


def _count(log: list[EventDict], event: str) -> int:
    return sum(line["event"] == event for line in log)


def _lag_of(module: str) -> list[float]:
    return [
        sample.value
        for metric in REGISTRY.collect()
        if metric.name == "throughline_consumer_lag_records"
        for sample in metric.samples
        if sample.labels["module"] == module
    ]
