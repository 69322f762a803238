"""Topics as they are declared, on a broker that keeps properties."""

from collections.abc import Sequence

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.errors import Unavailable
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from libs.events.topics import Topic, topic
from tests.integration.events.brokers import APACHE, Broker

REAL = pytest.param(APACHE, marks=pytest.mark.kafka)


def bus_of(settings: EventSettings) -> KafkaBus:
    bus = KafkaBus()
    bus.configure(settings)
    return bus


def declared(settings: EventSettings) -> Sequence[Topic]:
    return [topic(name, settings) for name in ("notes", "receiver.dead-letter")]


@pytest.mark.parametrize("kind", [REAL], indirect=True)
async def test_what_is_missing_is_told_and_made(
    broker: Broker, event_settings: EventSettings
) -> None:
    bus, topics = bus_of(event_settings), declared(event_settings)
    found = await bus.topic_differences(topics)
    assert [(d.topic, d.what, d.applicable) for d in found] == [
        ("notes", "topic", True),
        ("receiver.dead-letter", "topic", True),
    ]
    assert await bus.apply_topics(topics) == []
    assert await bus.topic_differences(topics) == []


@pytest.mark.parametrize("kind", [REAL], indirect=True)
async def test_properties_are_brought_in_line_and_partitions_are_told(
    broker: Broker, event_settings: EventSettings
) -> None:
    await bus_of(event_settings).apply_topics(declared(event_settings))
    await set_property(event_settings, "notes", "segment.ms", "3600000")
    wanted = event_settings.model_copy(update={"retention_h": 1.0, "partitions": 5})
    bus, topics = bus_of(wanted), declared(wanted)
    found = [str(difference) for difference in await bus.topic_differences(topics)]
    assert found == [
        "notes: partitions is 3, declared 5",
        "notes: retention.ms is 604800000, declared 3600000",
        "receiver.dead-letter: partitions is 3, declared 5",
    ]
    left = await bus.apply_topics(topics)
    assert [(d.topic, d.what) for d in left] == [
        ("notes", "partitions"),
        ("receiver.dead-letter", "partitions"),
    ]
    assert await bus.topic_differences(topics) == left
    assert await get_property(event_settings, "notes", "segment.ms") == "3600000"


async def test_a_topic_that_is_missing_is_made_only_if_that_is_allowed(
    broker: Broker, event_settings: EventSettings
) -> None:
    strict = bus_of(event_settings.model_copy(update={"create_topics": False}))
    with pytest.raises(
        Unavailable, match="no topic notes: run `throughline events topics --apply`"
    ):
        await strict.ensure_topics(["notes"])
    await bus_of(event_settings).ensure_topics(["notes"])
    await strict.ensure_topics(["notes"])


async def set_property(settings: EventSettings, name: str, key: str, value: str) -> None:
    """As somebody else does, with tools of their own. The request replaces what was set before."""
    full = settings.topic_prefix + name
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        config = {**topic(name, settings).config, key: value}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, full, config)])
    finally:
        await admin.close()


async def get_property(settings: EventSettings, name: str, key: str) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic_prefix + name)
        [response] = await admin.describe_configs([resource])
        entries = response.resources[0][4]
        return next((str(entry[1]) for entry in entries if entry[0] == key), None)
    finally:
        await admin.close()
