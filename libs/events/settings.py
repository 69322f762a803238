"""Settings of the broker, its topics, the relay and the consumer."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Json, model_validator

from libs.config import Group

CleanupPolicy = Literal["delete", "compact", "compact,delete"]


class TopicSettings(BaseModel):
    """What is special about one topic."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    partitions: int | None = Field(None, ge=1)
    replication: int | None = Field(None, ge=1)
    retention_h: float | None = Field(None, gt=0)
    cleanup_policy: CleanupPolicy = "delete"


class EventSettings(Group):
    """The broker; one for the process."""

    prefix: ClassVar[str] = "KAFKA"

    bootstrap_servers: str = Field(
        "127.0.0.1:9092", min_length=1, description="the brokers, host:port, comma separated"
    )
    enable_idempotence: bool = Field(
        True, description="whether the producer is idempotent; off only where Tansu is the broker"
    )
    fetch_max_wait_ms: int = Field(
        100, ge=1, description="how long the broker may hold a fetch back for more records"
    )
    request_timeout_ms: int = Field(
        10_000, ge=100, description="how long a request to the broker may take"
    )
    session_timeout_ms: int = Field(
        10_000,
        ge=600,
        description="after which silence a consumer is taken for dead, and its partitions given on",
    )
    topic_prefix: str = Field(
        "throughline.",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="before the name of every topic and consumer group",
    )
    create_topics: bool = Field(
        True,
        description="whether a topic that is missing is created when it is needed; if not, only"
        " `throughline events topics --apply` does",
    )
    partitions: int = Field(3, ge=1, description="of a topic")
    replication: int = Field(1, ge=1, description="how many copies of a topic there are")
    min_insync_replicas: int = Field(
        1, ge=1, description="how many copies must have an event before it counts as stored"
    )
    retention_h: float = Field(168.0, gt=0, description="how long events are kept, in hours")
    dead_letter_retention_h: float = Field(
        672.0, gt=0, description="how long dead letters are kept, in hours"
    )
    topics: Json[dict[str, TopicSettings]] = Field(
        {},
        description='what is special about some topics: {"<topic>": {"partitions": …,'
        ' "replication": …, "retention_h": …, "cleanup_policy": …}}, the last one of delete,'
        " compact and compact,delete",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        copies = [self.replication, *(t.replication or self.replication for t in self._special())]
        if self.min_insync_replicas > min(copies):
            raise ValueError("no more copies can be in sync than there are (replication)")
        return self

    def _special(self) -> list[TopicSettings]:
        return list(self.topics.values())


class RelaySettings(Group):
    """From the outbox to the broker."""

    prefix: ClassVar[str] = "RELAY"
    per_module: ClassVar[bool] = True

    batch: int = Field(500, ge=1, le=10_000, description="how many events are published at once")
    poll_s: float = Field(
        1.0, gt=0, le=2, description="how often the outbox is looked at without being told to"
    )
    backoff_base_s: float = Field(0.2, gt=0, description="the pause after a first failure")
    backoff_max_s: float = Field(5.0, gt=0, description="the longest pause after a failure")
    keep_h: float = Field(
        168.0, gt=0, description="how long published events stay in the outbox, in hours"
    )
    clean_every_s: float = Field(
        300.0, gt=0, description="how often old events are looked for, in seconds; on the average"
    )
    clean_batch: int = Field(
        1000, ge=1, le=100_000, description="how many rows are deleted in a transaction"
    )


class ConsumerSettings(Group):
    """From the broker to the handlers."""

    prefix: ClassVar[str] = "CONSUMER"
    per_module: ClassVar[bool] = True

    concurrency: int = Field(
        8, ge=1, le=1000, description="how many events are handled at once; never two of one key"
    )
    together: int = Field(
        32,
        ge=1,
        description="how many events, of different keys, may share a transaction when more wait"
        " than can be handled at once",
    )
    window: int = Field(
        1000,
        ge=1,
        description="how many events of a partition may be at hand; beyond that it waits for the"
        " first of them",
    )
    attempts: int = Field(
        6, ge=1, description="how often a failing handler is tried before the dead letter"
    )
    retry_base_s: float = Field(0.2, gt=0, description="the pause after a first failure")
    retry_max_s: float = Field(2.0, gt=0, description="the longest pause after a failure")
    outage_max_s: float = Field(
        10.0, gt=0, description="the longest pause while a dependency is not available"
    )
    handler_timeout_s: float = Field(30.0, gt=0, description="the longest a handler may take")
    grace_s: float = Field(
        5.0,
        ge=0,
        description="how long the events at hand may take to finish when their partition is"
        " revoked",
    )
    keep_h: float = Field(
        1008.0,
        gt=0,
        description="how long the inbox remembers what was handled, in hours; longer than any"
        " topic, dead letters included, keeps it",
    )
