"""The embedded profile with the modules' processes on top: what `up` and `demo` start.

Which modules share a process is the topology, and the only difference between one process and
four: the same command, `throughline serve MODULE...`, once or several times.
"""

import asyncio
import hashlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import orjson
from pydantic import SecretStr

from libs import logging
from libs.config import peer_variable
from libs.embedded import EmbeddedError, EmbeddedProfile, Secrets
from libs.embedded.local_secrets import write_private
from libs.embedded.process import Child
from libs.embedded.profile import DATABASE_ADMIN_URL, KAFKA_BOOTSTRAP_SERVERS
from libs.embedded.server import free_port
from services import registry
from services.cli import process, settings
from services.cli.events import republished
from services.cli.migrate import migrated
from services.cli.seed import seeded

ONE_PROCESS: Final = {"throughline": registry.MODULES}
PROCESS_PER_MODULE: Final = {name: (name,) for name in registry.MODULES}

READY_TIMEOUT_S: Final = 120.0
DRAIN_S: Final = 3
STOP_PLAN: Final = ((signal.SIGTERM, DRAIN_S + 1.5),)

Progress = Callable[[str], None]
Topology = Mapping[str, Sequence[str]]
"""The modules of each process, by the process' name."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running stack is, as its data folder says.

    Attributes:
        urls: where each module is.
        logs: the processes' logs.
    """

    urls: Mapping[str, str]
    logs: Sequence[Path]

    @staticmethod
    def find(data: Path) -> "Running | None":
        """What runs on this data folder; after a crash it may not be there any more."""
        try:
            note = orjson.loads(_note(data).read_bytes())
        except FileNotFoundError:
            return None
        return Running(note["urls"], [Path(log) for log in note["logs"]])

    def write(self, data: Path) -> None:
        """Leave word of it in the data folder."""
        _note(data).write_bytes(
            orjson.dumps({"urls": self.urls, "logs": list(map(str, self.logs))})
        )


def _note(data: Path) -> Path:
    return data.absolute() / "run" / "stack.json"


@dataclass
class _Process:
    name: str
    modules: Sequence[str]
    port: int
    child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Stack:
    """Servers and processes, started and stopped as one.

    Args:
        data: the folder of everything that is kept; one stack at a time may use it.
        environ: the environment; an address in it means that this server is not started.
        port: of the first process; the others take free ones.
        topology: which modules share a process.
    """

    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str],
        *,
        port: int,
        topology: Topology | None = None,
    ) -> None:
        self.data = data.absolute()
        self._environ = dict(environ)
        self._running_with: dict[str, str] = {}
        self._modules = registry.load(registry.MODULES)
        self._profile = EmbeddedProfile(
            self.data, environ, modules=[m.name for m in self._modules if m.models]
        )
        self._processes = [
            _Process(name, modules, port if number == 0 and port else free_port())
            for number, (name, modules) in enumerate((topology or ONE_PROCESS).items())
        ]

    @property
    def urls(self) -> dict[str, str]:
        """Where each module is."""
        return {module: p.url for p in self._processes for module in p.modules}

    @property
    def running(self) -> Running:
        """What to tell others of it."""
        return Running(self.urls, self.logs)

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of the running processes, for commands on what they use."""
        return dict(self._running_with)

    @property
    def pids(self) -> dict[str, int]:
        """The running processes, by name."""
        return {p.name: p.child.pid for p in self._processes if p.child is not None}

    @property
    def logs(self) -> list[Path]:
        """The processes' logs."""
        return [self._log(p) for p in self._processes]

    @property
    def credentials(self) -> Path:
        """The file with the demo accounts."""
        return self.data / "credentials.json"

    async def start(self, progress: Progress) -> None:
        """Start everything; return when every process is ready.

        Raises:
            EmbeddedError: something does not start. Nothing is left running then.
            ConfigProblem: the environment has settings that are not usable.
        """
        names = self._modules.names
        settings.settings(names, {**settings.made_up(names), **self._environ})
        try:
            progress("starting PostgreSQL, Valkey, SecantusDB and Tansu")
            environ = {**self._environ, **await self._profile.start(progress)}
            environ |= _own_secrets(self._profile.secrets, environ)
            environ.setdefault("THROUGHLINE_WORKER_MESSAGE_CHANNEL", "file")
            environ.setdefault("THROUGHLINE_WORKER_MESSAGE_FOLDER", str(self.data / "messages"))
            environ.setdefault("THROUGHLINE_DRAIN_S", str(DRAIN_S))
            self._running_with = environ
            await self._prepare(environ, progress)
            progress("starting the modules")
            for each in self._processes:
                each.child = self._spawn(each, environ)
            await asyncio.gather(*(self._ready(each) for each in self._processes))
            self.running.write(self.data)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, processes first. At most 10 s."""
        if any(p.child for p in self._processes):
            _note(self.data).unlink(missing_ok=True)
        children = [p.child for p in self._processes if p.child is not None]
        await asyncio.gather(*(child.stop(STOP_PLAN) for child in children))
        for each in self._processes:
            each.child = None
        await self._profile.stop()

    async def watch(self) -> None:
        """Return never, unless something ends by itself.

        Raises:
            EmbeddedError: something did.
        """
        watching = asyncio.create_task(self._profile.watch())
        try:
            while not watching.done():
                for each in self._processes:
                    self._check_alive(each)
                await asyncio.wait({watching}, timeout=0.5)
            await watching
        finally:
            watching.cancel()

    async def _prepare(self, environ: Mapping[str, str], progress: Progress) -> None:
        """Bring the databases up to date, and put the demo data in place."""
        progress("migrating the databases")
        path = self.data / "logs" / "prepare.log"
        with path.open("wb") as log:
            runtime = process.runtime(self._modules, environ, log_stream=log)
            with process.told():
                await migrated(self._modules, runtime, SecretStr(environ[DATABASE_ADMIN_URL]))
                if KAFKA_BOOTSTRAP_SERVERS in self._profile.servers:
                    # Ours keeps its log in memory: after a restart everything is published
                    # again, and the inboxes drop what was handled.
                    start = datetime.fromtimestamp(0, UTC)
                    await republished(self._modules, runtime.settings, start)
                progress("seeding the catalogue and the demo accounts")
                accounts = self._accounts()
                await seeded(process.runtime(self._modules, environ, log_stream=log), accounts)
            logging.close()

    def _accounts(self) -> dict[str, dict[str, str]]:
        """The demo accounts, made up at first use."""
        if not self.credentials.exists():
            made_up = {
                role: {
                    "email": f"{role}@throughline.example",
                    "password": self._profile.secrets.secret(f"account.{role}"),
                }
                for role in ("admin", "customer")
            }
            text = orjson.dumps(made_up, option=orjson.OPT_INDENT_2).decode()
            write_private(self.credentials, text)
        accounts: dict[str, dict[str, str]] = orjson.loads(self.credentials.read_bytes())
        return accounts

    def _spawn(self, each: _Process, environ: Mapping[str, str]) -> Child:
        peers = {
            peer_variable(module): other.url
            for other in self._processes
            if other is not each
            for module in other.modules
        }
        used = {peer_variable(n) for m in self._modules for n in (*m.uses, "auth")}
        return Child.spawn(
            [sys.executable, "-m", "services.cli.main", "serve", *each.modules],
            log=self._log(each),
            cwd=Path(__file__).parents[2],
            environment={
                **environ,
                **{name: url for name, url in peers.items() if name in used},
                "THROUGHLINE_PORT": str(each.port),
            },
            pid_file=self.data / "run" / f"{each.name}.pid",
        )

    def _log(self, each: _Process) -> Path:
        return self.data / "logs" / f"{each.name}.jsonl"

    async def _ready(self, each: _Process) -> None:
        async with asyncio.timeout(READY_TIMEOUT_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                self._check_alive(each)
                try:
                    answer = await client.get(f"{each.url}/health/ready")
                    if answer.status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    def _check_alive(self, each: _Process) -> None:
        if each.child is not None and (status := each.child.status) is not None:
            raise EmbeddedError(
                f"{each.name} has ended with status {status}: {each.child.log_tail()}"
                f" (see {self._log(each)})"
            )


def _own_secrets(secrets: Secrets, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings that hold secrets of our own, unless the environment has them."""
    client_secret = secrets.secret("client.worker")
    digest = hashlib.sha256(client_secret.encode()).hexdigest()
    made_up = {
        "THROUGHLINE_AUTH_KEY_SECRET": secrets.secret("auth.key"),
        "THROUGHLINE_AUTH_SERVICE_CLIENTS": orjson.dumps({"worker": digest}).decode(),
        "THROUGHLINE_WORKER_CLIENT_SECRET": client_secret,
        "THROUGHLINE_CURSOR_SECRET": secrets.secret("cursor"),
    }
    return {name: value for name, value in made_up.items() if not environ.get(name)}
