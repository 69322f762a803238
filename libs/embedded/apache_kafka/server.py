"""The server: KRaft, one node that is broker and controller."""

import base64
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from libs.embedded.apache_kafka.jars import jars, program
from libs.embedded.kafka import ask_versions
from libs.embedded.process import StopPlan, child_environment, run
from libs.embedded.server import ChildServer, Progress, free_port, ignore_progress
from libs.ids import uuid7

SETTINGS: Final[Mapping[str, str]] = {"THROUGHLINE_KAFKA_ENABLE_IDEMPOTENCE": "true"}
"""How the modules' clients may be set for this broker."""

_JAVA_OPTIONS: Final = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)

_CONFIGURATION: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={logs}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=600
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class ApacheKafka(ChildServer):
    """It keeps what it has when it is started again.

    Args:
        data: its files are in `<data>/apache-kafka`.
        environ: where Java and Maven are, and what Maven needs.
        port: where it is to listen; 0: on a free one, another one at each start.
    """

    name: ClassVar[str] = "apache-kafka"
    stop_plan: ClassVar[StopPlan] = ((signal.SIGTERM, 20.0),)

    def __init__(
        self,
        data: Path,
        *,
        environ: Mapping[str, str],
        port: int = 0,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(data, progress=progress)
        self._environ = environ
        self._wanted_port = port
        self._classpath = ""

    async def prepare(self) -> None:
        java = program("java", self._environ)
        self._classpath = f"{await jars(self._environ, self.progress)}/*"
        if not (self._logs / "meta.properties").exists():
            # One that begins with the time: at random, some would begin with "-", as options do.
            cluster = base64.urlsafe_b64encode(uuid7().bytes).decode().rstrip("=")
            self._configure(port=1, controller=2)
            await run(
                (
                    *(java, *_JAVA_OPTIONS, "-XX:TieredStopAtLevel=1", "-cp", self._classpath),
                    *("kafka.tools.StorageTool", "format", "--cluster-id", cluster),
                    *("--config", str(self._configuration)),
                ),
                what="formatting Kafka's storage",
                log=self.log,
                cwd=self.home,
                environment=child_environment(),
            )

    def command(self, port: int) -> Sequence[str]:
        self._configure(port=port, controller=free_port())
        java = program("java", self._environ)
        return (
            *(java, *_JAVA_OPTIONS, "-cp", self._classpath),
            *("kafka.Kafka", str(self._configuration)),
        )

    def url_at(self, port: int) -> str:
        return f"127.0.0.1:{port}"

    async def ping(self, port: int) -> None:
        await ask_versions(port)

    @property
    def _logs(self) -> Path:
        return self.home / "logs"

    @property
    def _configuration(self) -> Path:
        return self.home / "server.properties"

    def _configure(self, *, port: int, controller: int) -> None:
        text = _CONFIGURATION.format(port=port, controller=controller, logs=self._logs)
        self._configuration.write_text(text)

    async def _start_on_some_port(self, deadline: float) -> None:
        if not self._wanted_port:
            await super()._start_on_some_port(deadline)
            return
        self._port = self._wanted_port
        self._child = child = self._spawn(self._port)
        if not await self._until_ready(child, self._port, deadline):
            raise self._failure(f"ended with status {child.status}")
