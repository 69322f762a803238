"""A server of the embedded profile, and what all of them have in common."""

import asyncio
import os
import secrets
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, Protocol

from libs.embedded.process import (
    Account,
    Child,
    EmbeddedError,
    StopPlan,
    child_environment,
    find_orphan,
    stop_orphan,
)

Progress = Callable[[str], None]
"""Told in a few words what goes on, for people."""

START_TIMEOUT: Final = 60.0  # seconds
_PING_TIMEOUT: Final = 5.0
_PORT_ATTEMPTS: Final = 10
_PORTS: Final = range(15_000, 32_000)
_PORT_TAKEN: Final = ("address already in use", "address in use", "errno 98", "errno 48")


class Server(Protocol):
    """A server that the modules need, started and stopped by us."""

    name: ClassVar[str]

    @property
    def url(self) -> str:
        """Where it is, as the modules' settings want it. RuntimeError unless started."""

    @property
    def pid(self) -> int:
        """Its process. RuntimeError unless started."""

    @property
    def status(self) -> int | None:
        """The exit status if it ended by itself; None while it runs."""

    async def start(self) -> None:
        """Return when it answers. Raises EmbeddedError; nothing is left running then."""

    async def stop(self) -> None:
        """Stop it cleanly, or else by force. Does nothing when it is not running."""


class NotReady(Exception):
    """The server does not answer yet."""


def ignore_progress(_: str) -> None:
    """Nobody wants to know."""


class ChildServer(ABC):
    """A server as a child process, on a free port of the loopback address.

    Its files are in `<data>/<name>`, its log is `<data>/logs/<name>.log`.
    """

    name: ClassVar[str]
    stop_plan: ClassVar[StopPlan] = ((signal.SIGTERM, 5.0),)
    passing_faults: ClassVar[Sequence[str]] = ()
    """Parts of log lines, in lower case, after which starting again helps."""

    def __init__(self, data: Path, *, progress: Progress = ignore_progress) -> None:
        self.data = data.absolute()
        self.home = self.data / self.name
        self.log = self.data / "logs" / f"{self.name}.log"
        self.progress = progress
        self.account: Account | None = None
        self._pid_file = self.data / "run" / f"{self.name}.pid"
        self._child: Child | None = None
        self._port = 0

    @property
    def url(self) -> str:
        self._running()
        return self.url_at(self._port)

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def status(self) -> int | None:
        return self._running().status

    async def start(self) -> None:
        if self._child is not None:
            raise RuntimeError(f"{self.name} is started already")
        began = time.monotonic()
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if orphan := find_orphan(self._pid_file, self.home):
            await stop_orphan(orphan, self.stop_plan)
        await self.prepare()
        try:
            await self._start_on_some_port(time.monotonic() + START_TIMEOUT)
        except BaseException:
            await self.stop()
            raise
        self.progress(f"{self.name}: ready after {time.monotonic() - began:.1f} s")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(self.stop_plan)
            self._child = None
            self._pid_file.unlink(missing_ok=True)

    async def prepare(self) -> None:  # noqa: B027 - not every server needs it
        """Make what the server needs before it can be started. May take its time."""

    @abstractmethod
    def command(self, port: int) -> Sequence[str]:
        """The program, as an absolute path, and its arguments."""

    @abstractmethod
    def url_at(self, port: int) -> str:
        """The server's address."""

    @abstractmethod
    async def ping(self, port: int) -> None:
        """Ask the server something in its own protocol.

        Raises:
            NotReady, OSError: it does not answer yet.
            EmbeddedError: it never will.
        """

    def environment(self) -> Mapping[str, str]:
        return child_environment()

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._child

    async def _start_on_some_port(self, deadline: float) -> None:
        """Start it, and again while another process was faster to take the port."""
        port_attempts = 0
        while True:
            self._port = free_port()
            self._child = child = self._spawn(self._port)
            if await self._until_ready(child, self._port, deadline):
                return
            output = child.log_text().lower()
            port_attempts += any(fault in output for fault in _PORT_TAKEN)
            passing = any(fault in output for fault in (*_PORT_TAKEN, *self.passing_faults))
            if not passing or port_attempts > _PORT_ATTEMPTS or time.monotonic() > deadline:
                raise self._failure(f"ended with status {child.status}")
            await asyncio.sleep(0.2)

    def _spawn(self, port: int) -> Child:
        return Child.spawn(
            self.command(port),
            log=self.log,
            cwd=self.home,
            environment=self.environment(),
            death_signal=self.stop_plan[0][0],
            account=self.account,
            pid_file=self._pid_file,
        )

    async def _until_ready(self, child: Child, port: int, deadline: float) -> bool:
        """True when it answers, False when it has ended."""
        pause = 0.01
        while child.status is None:
            with suppress(NotReady, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_PING_TIMEOUT):
                    await self.ping(port)
                if child.listens_on(port):
                    return True
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {START_TIMEOUT:.0f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return False

    def _failure(self, what: str) -> EmbeddedError:
        tail = self._running().log_tail() or "nothing in its log"
        return EmbeddedError(f"{self.name} {what}: {tail} (see {self.log})")


def free_port() -> int:
    """A port of the loopback address that nobody listens on, for now.

    Not from the range out of which the system gives ports to outgoing connections: there, one might
    take it before its listener does.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def exchange(port: int, request: bytes, *, enough: Callable[[bytes], bool]) -> bytes:
    """Send `request` and read until it is `enough` or the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = b""
        while not enough(answer):
            if not (part := await reader.read(4096)):
                break
            answer += part
        return answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def require_executable(path: Path) -> str:
    """`path` for a command line.

    Raises:
        EmbeddedError: there is no program.
    """
    if not os.access(path, os.X_OK):
        raise EmbeddedError(f"there is no program at {path}")
    return str(path)
