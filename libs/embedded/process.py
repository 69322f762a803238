"""Child processes that never outlive us for long: started, watched, stopped by their own pid.

A child is in a session of its own, so that Ctrl-C in the terminal reaches us alone and we stop
the servers in order. When we are killed, Linux signals the child (see `launcher.py`); on other
systems, and while a child still shuts down, the next start finds it by its pid file and ends it,
if it is verifiably the process that the file speaks of.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

LOG_LIMIT: Final = 8 * 1024 * 1024
"""Bytes after which a server's log is set aside, at its next start."""

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_POLL: Final = 0.02  # seconds
_FAMILY_PATIENCE: Final = 2.0  # seconds
_START_TOLERANCE: Final = 5.0  # seconds between a process' start and its note in the pid file

StopPlan = Sequence[tuple[signal.Signals, float]]
"""Signals to send in turn, each with the seconds to wait before the next."""


class EmbeddedError(Exception):
    """A server of the embedded profile cannot be had. The message is one line, for people."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a child runs as, when it must not be ours."""

    uid: int
    gid: int
    name: str


def package_folder(package: str) -> Path:
    """Where an installed package is, without importing it.

    Raises:
        EmbeddedError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"{package} is not installed: run `uv sync --group embedded`")
    return Path(spec.submodule_search_locations[0])


def child_environment(**extra: str) -> dict[str, str]:
    """What a server sees of our environment: nothing of it, so none of its settings leak in."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **extra}


class Child:
    """One running child process. Belongs to no event loop.

    Start it from a thread that lives as long as the process (the main thread): on Linux a child's
    parent is, for the signal at its death, the thread that started it.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        self._process = process
        self._log = log
        self._log_start = log_start

    @classmethod
    def spawn(
        cls,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str],
        death_signal: signal.Signals = signal.SIGTERM,
        account: Account | None = None,
        pid_file: Path | None = None,
    ) -> "Child":
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name(f"{log.name}.1"))
        launch = (
            *(sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())),
            str(int(death_signal)),
            f"{account.uid}:{account.gid}" if account else "",
            str(pid_file or ""),
        )
        with log.open("ab") as output:
            start = output.tell()
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [*launch, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )
        return cls(process, log, start)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def log_text(self) -> str:
        """The last few kilobytes of what it has written since it was started."""
        with self._log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - 8192))
            return log.read().decode(errors="replace")

    def log_tail(self, limit: int = 400) -> str:
        """The end of its log on one line."""
        lines = [" ".join(line.split()) for line in self.log_text().splitlines() if line.strip()]
        tail = " | ".join(lines[-3:])
        return tail if len(tail) <= limit else f"...{tail[-limit:]}"

    def listens_on(self, port: int) -> bool:
        """Whether it is really this process that answers at `port` of the loopback address."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp4")
        except psutil.Error:
            return False
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr[1] == port
            for connection in connections
        )

    async def wait(self) -> int:
        while (status := self.status) is None:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(_POLL)
        return status

    async def stop(self, plan: StopPlan) -> None:
        """End it by each signal of `plan` in turn, and at last by SIGKILL."""
        for number, patience in (*plan, (signal.SIGKILL, 2.0)):
            if self.status is not None:
                return
            self._process.send_signal(number)
            try:
                await asyncio.wait_for(self.wait(), patience)
            except TimeoutError:
                continue

    async def end_family(self) -> None:
        """Kill it, if it still runs, and the processes it has started."""
        if self._process.poll() is not None:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.pid).children(recursive=True)
            os.killpg(self.pid, signal.SIGKILL)  # not collected yet, so the number is its own
            await self.wait()
            deadline = time.monotonic() + _FAMILY_PATIENCE
            while time.monotonic() < deadline and not all(map(is_gone, family)):  # noqa: ASYNC110
                await asyncio.sleep(_POLL)


async def run(
    command: Sequence[str],
    *,
    what: str,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
) -> None:
    """Run a command to its end. It does not survive our being cancelled or killed.

    Raises:
        EmbeddedError: it failed; `what` begins the message.
    """
    child = Child.spawn(
        command,
        log=log,
        cwd=cwd,
        environment=environment,
        death_signal=signal.SIGKILL,
        account=account,
    )
    try:
        status = await child.wait()
    finally:
        await child.end_family()
    if status != 0:
        raise EmbeddedError(f"{what} failed with status {status}: {child.log_tail()} (see {log})")


def _is_recorded(process: psutil.Process, noted: float, executable: str, home: Path) -> bool:
    """Whether `process` is the one that wrote its pid file at the time `noted`."""
    if abs(process.create_time() - noted) > _START_TOLERANCE:
        return False
    return (
        process.exe() == os.path.realpath(executable)
        or any(str(home) in argument for argument in process.cmdline())
        or str(_LAUNCHER) in process.cmdline()
    )


def find_orphan(pid_file: Path, home: Path) -> psutil.Process | None:
    """The process that `pid_file` names, if it still runs and is verifiably that one."""
    try:
        pid, noted, executable = pid_file.read_text(encoding="utf-8").rstrip("\n").split(" ", 2)
        process = psutil.Process(int(pid))
        if _is_recorded(process, float(noted), executable, home):
            return process
    except (OSError, ValueError, psutil.Error):
        pass
    return None


async def stop_orphan(process: psutil.Process, plan: StopPlan) -> None:
    """End a process that a killed predecessor of ours has left behind."""
    for number, patience in (*plan, (signal.SIGKILL, 2.0)):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if is_gone(process):
                return
            await asyncio.sleep(_POLL)


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended. A zombie has: in a container nobody may be there to collect it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
