"""Creating topics, and comparing them with what is declared."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from libs.events.settings import EventSettings
from libs.events.topics import Difference, Topic
from libs.logging import get_logger

log = get_logger()

_MISSING: Final = "topic"
_SET_ON_THE_TOPIC: Final = 1
"""Kafka's number for a property that was set on the topic itself, and is no default."""


class TopicAdmin:
    """The topics of a broker, while a connection to it is open."""

    def __init__(self, client: AIOKafkaAdminClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def existing(self) -> set[str]:
        """The names of all topics that are ours."""
        prefix = self._prefix
        names = await self._client.list_topics()
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    async def create(self, topics: Sequence[Topic]) -> None:
        """Create topics. One that another process has created meanwhile is all right."""
        new = [
            NewTopic(
                self._prefix + topic.name,
                topic.partitions,
                topic.replication,
                topic_configs=dict(topic.config),
            )
            for topic in topics
        ]
        response = await self._client.create_topics(new)
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
        log.info("kafka.topics_created", topics=[topic.name for topic in topics])

    async def differences(self, topics: Sequence[Topic]) -> list[Difference]:
        """What about these topics is not as declared."""
        existing = await self.existing()
        found = [
            Difference(topic.name, _MISSING, f"{topic.partitions} partitions", "missing", True)
            for topic in topics
            if topic.name not in existing
        ]
        there = [topic for topic in topics if topic.name in existing]
        if there:
            shapes, configs = await self._shapes(there), await self._configs(there)
            for topic in there:
                found += _compare(topic, shapes[topic.name], configs[topic.name])
        return found

    async def apply(self, topics: Sequence[Topic]) -> list[Difference]:
        """Create what is missing and set properties; returns what is not as declared even so.

        The number of partitions is left alone: with another number a key goes to another
        partition, and its older events may be overtaken. So is the number of copies.
        """
        differences = await self.differences(topics)
        if missing := {d.topic for d in differences if d.what == _MISSING}:
            await self.create([topic for topic in topics if topic.name in missing])
        changed = {d.topic for d in differences if d.applicable} - missing
        if changed:
            await self._set([topic for topic in topics if topic.name in changed])
        return [difference for difference in differences if not difference.applicable]

    async def _shapes(self, topics: Sequence[Topic]) -> dict[str, tuple[int, int]]:
        """Of each topic the number of partitions, and of copies."""
        described = await self._client.describe_topics([self._prefix + t.name for t in topics])
        return {
            topic["topic"].removeprefix(self._prefix): (
                len(topic["partitions"]),
                min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            )
            for topic in described
        }

    async def _configs(self, topics: Sequence[Topic]) -> dict[str, dict[str, tuple[str, int]]]:
        """Of each topic its properties, and where each comes from."""
        wanted = [ConfigResource(ConfigResourceType.TOPIC, self._prefix + t.name) for t in topics]
        found: dict[str, dict[str, tuple[str, int]]] = {}
        for response in await self._client.describe_configs(wanted):
            for code, message, _, name, entries in (row[:5] for row in response.resources):
                if code:
                    raise for_code(code)(message)
                ours = name.removeprefix(self._prefix)
                found[ours] = {entry[0]: (entry[1], _source(entry)) for entry in entries}
        return found

    async def _set(self, topics: Sequence[Topic]) -> None:
        """Set properties. The request replaces all of a topic's own, so it has the others too."""
        configs = await self._configs(topics)
        resources = []
        for topic in topics:
            own = {n: v for n, (v, s) in configs[topic.name].items() if s == _SET_ON_THE_TOPIC}
            name = self._prefix + topic.name
            config = {**own, **topic.config}
            resources.append(ConfigResource(ConfigResourceType.TOPIC, name, config))
        for response in await self._client.alter_configs(resources):
            for code, message, *_ in response.resources:
                if code:
                    raise for_code(code)(message)
        log.info("kafka.topics_changed", topics=[topic.name for topic in topics])


@asynccontextmanager
async def topic_admin(settings: EventSettings) -> AsyncIterator[TopicAdmin]:
    """A connection for the length of a block. Errors are the client's own."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers,
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        await client.start()
        yield TopicAdmin(client, settings.topic_prefix)
    finally:
        await client.close()


def _source(entry: Sequence[Any]) -> int:
    return int(entry[3])


def _compare(
    topic: Topic, shape: tuple[int, int], config: Mapping[str, tuple[str, int]]
) -> list[Difference]:
    partitions, replication = shape
    properties = {name: value for name, (value, _) in config.items()}
    rows = [
        ("partitions", str(topic.partitions), str(partitions), False),
        ("replication", str(topic.replication), str(replication), False),
        *(
            (name, value, properties.get(name, "unset"), True)
            for name, value in topic.config.items()
        ),
    ]
    return [
        Difference(topic.name, what, declared, found, applicable)
        for what, declared, found, applicable in rows
        if declared != found
    ]
