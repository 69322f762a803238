"""SecantusDB, the MongoDB-compatible server of the embedded profile.

It is GPL-2.0 and brings numpy, so it lives in an environment of its own: `mongo_environment.py`.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from libs.embedded.mongo_environment import prepare
from libs.embedded.process import child_environment
from libs.embedded.server import (
    ChildServer,
    NotReady,
    Progress,
    exchange,
    ignore_progress,
    require_executable,
)

_OP_MSG = 2013


class Mongo(ChildServer):
    """`python` is the interpreter that has secantusdb; without it the environment is made."""

    name: ClassVar[str] = "mongo"
    passing_faults: ClassVar[Sequence[str]] = ("resource busy", "already being managed")

    def __init__(
        self,
        data: Path,
        *,
        environ: Mapping[str, str],
        python: Path | None = None,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(data, progress=progress)
        self._environ = environ
        self._python = python

    async def prepare(self) -> None:
        if self._python is None:
            self._python = await prepare(self._environ, self.progress)

    def command(self, port: int) -> Sequence[str]:
        configuration = self.home / "secantusd.toml"  # else it looks for one in other places
        configuration.write_text("# All settings are on the command line.\n")
        assert self._python is not None  # noqa: S101 - set by prepare()
        return (
            *(require_executable(self._python), "-I", "-m", "secantus"),
            *("--config", str(configuration), "--storage-path", str(self.home / "wiredtiger")),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--cache-size", "128M", "--sync-on-commit", "--log-level", "WARNING"),
        )

    def environment(self) -> Mapping[str, str]:
        return child_environment(SECANTUS_FORCE_DURABLE="1", OPENBLAS_NUM_THREADS="1")

    def url_at(self, port: int) -> str:
        return f"mongodb://127.0.0.1:{port}/?directConnection=true"

    async def ping(self, port: int) -> None:
        answer = await exchange(port, _ping_message(), enough=_is_whole)
        if b"\x01ok\x00" + struct.pack("<d", 1.0) not in answer:
            raise NotReady


def _ping_message() -> bytes:
    """`{ping: 1, $db: "admin"}` as an OP_MSG."""
    body = b"\x10ping\x00" + struct.pack("<i", 1)
    body += b"\x02$db\x00" + struct.pack("<i", 6) + b"admin\x00"
    document = struct.pack("<i", len(body) + 5) + body + b"\x00"
    message = struct.pack("<i", 0) + b"\x00" + document
    return struct.pack("<iiii", len(message) + 16, 1, 0, _OP_MSG) + message


def _is_whole(answer: bytes) -> bool:
    if len(answer) < 4:
        return False
    (length,) = struct.unpack("<i", answer[:4])
    return len(answer) >= int(length)
