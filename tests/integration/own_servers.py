"""Servers of a test's own, which it may do anything to."""

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import psutil

from libs.embedded.kafka import Kafka
from libs.embedded.mongo import Mongo
from libs.embedded.process import StopPlan
from libs.embedded.server import ChildServer, free_port
from libs.embedded.valkey import Valkey
from tests.servers import PASSWORD
from tests.waiting import until


class OwnServer(ChildServer):
    """It keeps its port while it is away. When it stops it saves nothing."""

    stop_plan: ClassVar[StopPlan] = ((signal.SIGKILL, 5.0),)

    def __init__(self, data: Path, **more: Any) -> None:
        super().__init__(data, **more)
        self._port = free_port()

    @property
    def address(self) -> str:
        """As `url`, but also while it is away."""
        return self.url_at(self._port)

    @property
    def is_running(self) -> bool:
        return self._child is not None

    async def pause(self) -> None:
        """Have it hang: it neither answers nor goes away."""
        os.kill(self.pid, signal.SIGSTOP)
        process = psutil.Process(self.pid)
        await until(lambda: process.status() == psutil.STATUS_STOPPED, "the process stops")

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def _start_on_some_port(self, deadline: float) -> None:
        self._child = child = self._spawn(self._port)
        if not await self._until_ready(child, self._port, deadline):
            raise self._failure(f"ended with status {child.status}")


class OwnValkey(OwnServer, Valkey):
    def __init__(self, data: Path) -> None:
        super().__init__(data, password=PASSWORD)


class OwnMongo(OwnServer, Mongo):
    def __init__(self, data: Path) -> None:
        super().__init__(data, environ=os.environ)


class OwnKafka(OwnServer, Kafka):
    """It forgets everything when it stops."""
