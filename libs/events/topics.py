"""Which topics there are, and what each of them is to be like.

They follow from the modules' declarations (`libs.module.Module`): a topic for each kind of
aggregate, and for each group of consumers one for its dead letters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.events.event import Event
from libs.events.settings import EventSettings, TopicSettings

_DEAD_LETTER = ".dead-letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a topic is to be like.

    Attributes:
        name: without the broker's prefix.
        replication: how many copies there are.
        config: further properties, under Kafka's own names.
    """

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something about a topic that is not as declared.

    Attributes:
        what: which property; "topic" if all of it is missing.
        applicable: whether it can be changed without harm to what is in the topic.
    """

    topic: str
    what: str
    declared: str
    found: str
    applicable: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, declared {self.declared}"


class Declared(Protocol):
    """The part of a module's declaration that topics follow from."""

    @property
    def name(self) -> str: ...
    @property
    def publishes(self) -> Sequence[type[Event]]: ...
    @property
    def consumes(self) -> Sequence[type[Event]]: ...


def dead_letter_topic(group: str) -> str:
    """Where a group's dead letters go."""
    return f"{group}{_DEAD_LETTER}"


def names(modules: Iterable[Declared]) -> list[str]:
    """The topics of these modules, in alphabetical order."""
    found = set()
    for module in modules:
        found |= {event.topic for event in (*module.publishes, *module.consumes)}
        found |= {dead_letter_topic(module.name)} if module.consumes else set()
    return sorted(found)


def topic(name: str, settings: EventSettings) -> Topic:
    """What the topic `name` is to be like."""
    dead = name.endswith(_DEAD_LETTER)
    usual_h = settings.dead_letter_retention_h if dead else settings.retention_h
    special = settings.topics.get(name, TopicSettings())
    return Topic(
        name=name,
        partitions=special.partitions or settings.partitions,
        replication=special.replication or settings.replication,
        config={
            "cleanup.policy": special.cleanup_policy,
            "min.insync.replicas": str(settings.min_insync_replicas),
            "retention.ms": str(round((special.retention_h or usual_h) * 3_600_000)),
        },
    )
