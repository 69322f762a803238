"""PostgreSQL, Valkey and SecantusDB for the tests, started once for a whole run and shared.

The process that pytest was started as has them. The workers of pytest-xdist are its children and
find the addresses in their environment.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from libs.embedded import prepare_mongo
from libs.embedded.mongo import Mongo
from libs.embedded.postgres import Postgres
from libs.embedded.server import Progress
from libs.embedded.valkey import Valkey

VARIABLE: Final = "PYTEST_SERVERS"
"""Holds the addresses. It is no setting of the program's."""

REDIS_DATABASES: Final = 128
"""The greatest number of workers, each of which has one."""

USERS: Final = Path(__file__).parent / "integration"
"""The folder of the tests that use these servers."""

PASSWORD: Final = "a-password"
_ROOM: Final = 4 * 2**30  # bytes


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the servers are: URLs of an administrator.

    Attributes:
        cluster: PostgreSQL's files as they were before its first start, with `PASSWORD`.
    """

    postgres: str
    valkey: str
    mongo: str
    cluster: str

    @classmethod
    def found(cls) -> "Servers":
        """Those of this run.

        Raises:
            RuntimeError: they were not started, because no test was asked for that needs them.
        """
        if VARIABLE not in os.environ:
            raise RuntimeError(f"only tests in {USERS} have servers")
        return cls(**orjson.loads(os.environ[VARIABLE]))


def are_needed(paths: Iterable[Path]) -> bool:
    """Whether tests under `paths` use the servers."""
    return any(path.is_relative_to(USERS) or USERS.is_relative_to(path) for path in paths)


def memory() -> str | None:
    """A folder in memory if this machine has a roomy one, else None.

    Data that nobody will miss need not reach the disk, nor be saved at the end.
    """
    folder = Path("/dev/shm")  # noqa: S108 - not for names that others could guess
    roomy = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM
    return str(folder) if roomy else None


def copy_owned(folder: Path, copy: Path) -> None:
    """Copy all that is in a folder, as its owner's."""
    subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)


class _Postgres(Postgres):
    stop_plan = ((signal.SIGQUIT, 5.0),)

    @property
    def copy(self) -> Path:
        return self.data / "cluster"

    async def prepare(self) -> None:
        await super().prepare()
        copy_owned(self.cluster, self.copy)

    def command(self, port: int) -> Sequence[str]:
        settings = ("fsync=off", "full_page_writes=off", "autovacuum=off", "max_connections=500")
        options = (word for setting in settings for word in ("-c", setting))
        return (*super().command(port), *options)  # the last word counts


class _Valkey(Valkey):
    stop_plan = ((signal.SIGKILL, 5.0),)

    def command(self, port: int) -> Sequence[str]:
        return (*super().command(port), "--databases", str(REDIS_DATABASES))


class _Mongo(Mongo):
    stop_plan = ((signal.SIGKILL, 5.0),)


class SharedServers:
    """The servers while they run. Start and stop them in the main thread."""

    def __init__(self) -> None:
        # Not pytest's folder: other accounts have no way to it, and PostgreSQL never is root.
        self._folder = Path(tempfile.mkdtemp(prefix="throughline-tests-", dir=memory()))
        self._postgres = _Postgres(self._folder, password=PASSWORD)
        self._valkey = _Valkey(self._folder, password=PASSWORD)
        self._mongo = _Mongo(self._folder, environ=os.environ)
        self._all = (self._postgres, self._valkey, self._mongo)

    def start(self, progress: Progress) -> None:
        """Return when all of them answer, with their addresses in the environment.

        Raises:
            EmbeddedError: one of them cannot be started.
        """
        try:
            asyncio.run(self._start(progress))
        except BaseException:
            self.stop()
            raise
        servers = Servers(
            postgres=f"{self._postgres.url}?sslmode=disable",  # else every connection asks for it
            valkey=self._valkey.url,
            mongo=self._mongo.url,
            cluster=str(self._postgres.copy),
        )
        os.environ[VARIABLE] = orjson.dumps(asdict(servers)).decode()

    def stop(self) -> None:
        os.environ.pop(VARIABLE, None)
        try:
            asyncio.run(self._stop())
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self, progress: Progress) -> None:
        await prepare_mongo(os.environ, progress)  # which may take a while, at the first time
        await asyncio.gather(*(server.start() for server in self._all))

    async def _stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._all))
