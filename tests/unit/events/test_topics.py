from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from libs.events.event import Event
from libs.events.settings import EventSettings
from libs.events.topics import dead_letter_topic, names, topic
from tests.events import Noted
from tests.unit.events.factory import Forgotten


@dataclass
class Declaration:
    name: str
    publishes: tuple[type[Event], ...] = ()
    consumes: tuple[type[Event], ...] = ()


class Rung(Noted):
    topic = "bells"


def test_topics_follow_from_what_modules_declare() -> None:
    modules = [
        Declaration("sender", publishes=(Noted, Forgotten)),
        Declaration("receiver", publishes=(Rung,), consumes=(Noted,)),
        Declaration("bystander"),
    ]
    assert names(modules) == ["bells", "notes", "receiver.dead-letter"]


def test_settings_say_what_they_are_like() -> None:
    settings = EventSettings(
        partitions=6,
        replication=3,
        min_insync_replicas=2,
        retention_h=24,
        dead_letter_retention_h=48,
    )
    usual = topic("notes", settings)
    assert (usual.partitions, usual.replication) == (6, 3)
    assert usual.config == {
        "cleanup.policy": "delete",
        "min.insync.replicas": "2",
        "retention.ms": "86400000",
    }
    dead = topic(dead_letter_topic("receiver"), settings)
    assert dead.config["retention.ms"] == "172800000"


def test_a_topic_may_be_special() -> None:
    special = (
        '{"notes": {"partitions": 12, "retention_h": 0.5, "cleanup_policy": "compact,delete"}}'
    )
    settings = EventSettings.model_validate({"topics": special, "partitions": "4"})
    notes, other = topic("notes", settings), topic("other", settings)
    assert (notes.partitions, other.partitions) == (12, 4)
    assert notes.config["retention.ms"] == "1800000"
    assert notes.config["cleanup.policy"] == "compact,delete"


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_insync_replicas": 2},
        {"min_insync_replicas": 2, "replication": 3, "topics": '{"notes": {"replication": 1}}'},
        {"topics": '{"notes": {"colour": "red"}}'},
        {"topics": "notes"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EventSettings.model_validate(wrong)
