"""Apache Kafka as a child process."""

import os
import signal
from pathlib import Path

import pytest

from libs.embedded import EmbeddedError
from libs.embedded.apache_kafka import ApacheKafka
from libs.embedded.apache_kafka.jars import program
from libs.embedded.server import free_port
from libs.events.bus import Message
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from tests.waiting import until


async def published(server: ApacheKafka) -> int:
    """Publish a message; returns its offset."""
    bus = KafkaBus()
    bus.configure(EventSettings(bootstrap_servers=server.url, partitions=1))
    try:
        await bus.ensure_topics(["notes"])
        [position] = await bus.publish([Message("notes", b"k", b"v")])
        return position.offset
    finally:
        await bus.close()


@pytest.mark.kafka
async def test_it_keeps_what_it_has(tmp_path: Path) -> None:
    port, told = free_port(), list[str]()
    server = ApacheKafka(tmp_path, environ=os.environ, port=port, progress=told.append)
    try:
        await server.start()
        assert server.url == f"127.0.0.1:{port}"
        assert await published(server) == 0
        await server.stop()
        await server.start()
        assert await published(server) == 1
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: server.status is not None)
        await server.stop()
        await server.start()
        assert await published(server) == 2
    finally:
        await server.stop()
    assert told[-1].startswith("apache-kafka: ready after ")


def test_what_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="mvn is not installed: Apache Kafka needs Java 17"):
        program("mvn", {"PATH": str(tmp_path)})


def test_java_home_comes_first(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    assert program("java", {"PATH": os.defpath, "JAVA_HOME": str(tmp_path)}) == str(java)
