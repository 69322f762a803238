"""The embedded profile: all servers that the modules need, on this machine, without Docker."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote, urlsplit, urlunsplit

from libs.embedded import kafka
from libs.embedded.folder_lock import FolderLock
from libs.embedded.kafka import Kafka
from libs.embedded.local_secrets import Secrets
from libs.embedded.mongo import Mongo
from libs.embedded.postgres import Postgres
from libs.embedded.process import EmbeddedError
from libs.embedded.server import Progress, Server
from libs.embedded.valkey import Valkey

DATABASE_ADMIN_URL: Final = "THROUGHLINE_DATABASE_ADMIN_URL"
REDIS_URL: Final = "THROUGHLINE_REDIS_URL"
MONGO_URL: Final = "THROUGHLINE_MONGO_URL"
KAFKA_BOOTSTRAP_SERVERS: Final = "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS"
ENVIRONMENT: Final = "THROUGHLINE_ENVIRONMENT"

_WATCH_INTERVAL: Final = 0.5  # seconds


class EmbeddedProfile:
    """The servers that have no address yet, as child processes of ours.

    Start it from the main thread: on Linux the servers end when the thread that started them does.

    Attributes:
        secrets: those of the data folder. Use them while the profile is started.
    """

    def __init__(
        self, data: Path, environ: Mapping[str, str], *, modules: Sequence[str] = ()
    ) -> None:
        """
        Args:
            data: the folder of everything that is kept. One profile at a time may use it.
            environ: the process' environment. A server whose address is in it is not started, and
                what it sets is kept, except what Tansu cannot do without.
            modules: names of the modules that have a database schema.
        """
        self._data = data.absolute()
        self._environ = environ
        self._modules = modules
        self._lock = FolderLock(self._data)
        self._servers: dict[str, Server] = {}
        self.secrets: Final = Secrets(self._data)

    @property
    def servers(self) -> Mapping[str, Server]:
        """The servers of ours, by the variable that holds their address."""
        return self._servers

    async def start(self, progress: Progress) -> dict[str, str]:
        """Start what is missing, all at once. Returns the settings that lead the modules there.

        Raises:
            EmbeddedError: a server cannot be started, or the data folder is in use. Nothing is
                left running, as after being cancelled.
        """
        self._lock.acquire()
        try:
            self._servers = {
                variable: make(progress)
                for variable, make in self._makers().items()
                if not self._environ.get(variable)
            }
            await _start_all(self._servers.values())
            return self._resulting_settings()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all servers of ours, within 8 seconds, and free the data folder."""
        try:
            results = await asyncio.gather(
                *(server.stop() for server in self._servers.values()), return_exceptions=True
            )
        finally:
            self._servers = {}
            self._lock.release()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def watch(self) -> None:
        """Return never, unless a server ends by itself.

        Raises:
            EmbeddedError: one did.
        """
        while True:
            for server in self._servers.values():
                if (status := server.status) is not None:
                    raise EmbeddedError(
                        f"{server.name} has ended with status {status}: see"
                        f" {self._data / 'logs' / server.name}.log"
                    )
            await asyncio.sleep(_WATCH_INTERVAL)

    def _makers(self) -> dict[str, Callable[[Progress], Server]]:
        data, environ = self._data, self._environ
        secret = self.secrets.secret
        return {
            DATABASE_ADMIN_URL: lambda progress: Postgres(
                data, password=secret("postgres"), progress=progress
            ),
            REDIS_URL: lambda progress: Valkey(data, password=secret("redis"), progress=progress),
            MONGO_URL: lambda progress: Mongo(data, environ=environ, progress=progress),
            KAFKA_BOOTSTRAP_SERVERS: lambda progress: Kafka(data, progress=progress),
        }

    def _resulting_settings(self) -> dict[str, str]:
        environ = self._environ
        ours = {variable: server.url for variable, server in self._servers.items()}
        addresses = {name: ours.get(name) or environ[name] for name in self._makers()}
        settings = {ENVIRONMENT: "embedded", **addresses}
        for module in self._modules:
            password = self.secrets.secret(f"database.{module}")
            url = as_user(addresses[DATABASE_ADMIN_URL], module, password)
            settings[f"THROUGHLINE_{module.upper()}_DATABASE_URL"] = url
        settings |= {name: environ[name] for name in settings if environ.get(name)}
        if KAFKA_BOOTSTRAP_SERVERS in self._servers:
            settings |= kafka.SETTINGS
        return settings


def as_user(url: str, user: str, password: str) -> str:
    """The same database `url` for another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password)}@{address}"))


async def _start_all(servers: Iterable[Server]) -> None:
    """Start them all at once; the first failure stops the starting of the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for server in servers:
                group.create_task(server.start())
    # Not `except*`: some Pythons wrap what it raises in a group again.
    except BaseExceptionGroup as failures:
        if (error := _first(failures)) is None:
            raise
        raise error from None


def _first(group: BaseExceptionGroup[BaseException]) -> EmbeddedError | None:
    """The first failure of a server, if nothing worse is among the errors."""
    for error in group.exceptions:
        if not isinstance(error, EmbeddedError):
            return None
    return cast(EmbeddedError, group.exceptions[0])
