"""Settings of the broker, the relay and the consumer."""

from typing import ClassVar

from pydantic import Field

from libs.config import Group


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
    partitions: int = Field(3, ge=1, description="of a topic that is created")
    replication: int = Field(1, ge=1, description="of a topic that is created")
    topic_prefix: str = Field(
        "throughline.",
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="before the name of every topic and consumer group",
    )


class RelaySettings(Group):
    """From the outbox to the broker."""

    prefix: ClassVar[str] = "RELAY"
    per_module: ClassVar[bool] = True

    batch: int = Field(100, ge=1, le=10_000, description="how many events are published at once")
    poll_s: float = Field(
        1.0, gt=0, description="how often the outbox is looked at without being told to"
    )
    backoff_base_s: float = Field(0.2, gt=0, description="the pause after a first failure")
    backoff_max_s: float = Field(5.0, gt=0, description="the longest pause after a failure")


class ConsumerSettings(Group):
    """From the broker to the handlers."""

    prefix: ClassVar[str] = "CONSUMER"
    per_module: ClassVar[bool] = True

    attempts: int = Field(
        8, ge=1, description="how often a failing handler is tried before the dead letter"
    )
    retry_base_s: float = Field(0.2, gt=0, description="the pause after a first failure")
    retry_max_s: float = Field(10.0, gt=0, description="the longest pause after a failure")
    handler_timeout_s: float = Field(30.0, gt=0, description="the longest a handler may take")
    grace_s: float = Field(
        5.0,
        ge=0,
        description="how long the event at hand may take to finish when its partition is revoked",
    )
