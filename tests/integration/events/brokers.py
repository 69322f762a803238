"""The two brokers that the tests of this folder run on.

Tansu is new for each test. Apache Kafka takes some seconds to start: there is one for the whole run
(and worker), where each test has topics and groups of its own.
"""

import os
import shutil
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import ClassVar, Final, Protocol

from libs.embedded.apache_kafka import ApacheKafka
from libs.events.settings import EventSettings
from tests.integration.own_servers import OwnKafka, OwnServer
from tests.servers import memory

TANSU: Final = "tansu"
APACHE: Final = "apache"


class Broker(Protocol):
    """A broker that a test may do anything to.

    Attributes:
        forgets: whether it has lost everything when it starts again.
    """

    forgets: bool

    @property
    def address(self) -> str: ...
    @property
    def is_running(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def pause(self) -> None: ...
    def resume(self) -> None: ...


class OwnTansu(OwnKafka):
    forgets = True


class OwnApacheKafka(OwnServer, ApacheKafka):
    """It is killed when it stops, and finds its way back."""

    name: ClassVar[str] = "apache-kafka"
    forgets = False

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="throughline-kafka-", dir=memory()))
        super().__init__(self.folder, environ=os.environ)

    def remove(self) -> None:
        """Remove all that it has."""
        shutil.rmtree(self.folder, ignore_errors=True)


def settings_for(broker: Broker) -> EventSettings:
    """A client's, with topics and groups that no other test has."""
    return EventSettings(
        bootstrap_servers=broker.address,
        enable_idempotence=not broker.forgets,
        fetch_max_wait_ms=20,
        request_timeout_ms=2000,
        session_timeout_ms=1500,  # Tansu lets who joins first wait for half of it
        topic_prefix=f"test-{token_hex(4)}.",
    )
