"""What hosts modules: builds them, opens what they share, serves them, stops in order.

There is one way to start, whichever modules a process hosts. The life of a process:

    build      every module's composition root; nothing is opened yet
    open       shared resources, in the order of their first use
    start      tasks (relays, consumers); from here on the process is ready
    SIGTERM    readiness turns false; no new connections; requests in flight finish; tasks finish
               the piece of work at hand and commit
    close      clients, then resources in reverse order
"""

import asyncio
import ctypes
import gc
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from libs.auth.deny_list import DenyList
from libs.auth.redis_deny_store import RedisDenyStore
from libs.auth.verifier import TokenVerifier
from libs.cache.redis import RedisConnection
from libs.config import ServerSettings, Settings
from libs.context import RequestContext, current, new_context_id, use
from libs.contracts.auth import AuthClient
from libs.http.client import HttpClient
from libs.http.in_process import InProcessTransport
from libs.limits.redis_permits import RedisPermits
from libs.logging import get_logger
from libs.module import R, Registry, Resource, Task, Wired
from libs.observability.metrics import build_info
from libs.settings import HostSettings
from libs.tasks import Periodic
from libs.web.app import create_app, in_layer
from libs.web.health import Health, Meta
from libs.web.limits import Limits
from libs.web.protocol import Protocol

log = get_logger()

RESTART_PAUSE_S = 1.0
KEEP_ALIVE_S = 75
BACKLOG = 2048
GC_THRESHOLDS = (5_000, 20, 20)
"""New objects after which the youngest are looked at, and how many times that for the older."""
_M_MMAP_THRESHOLD = -3


class AddressInUse(Exception):
    """Another program listens on the address that is asked for."""


class Runtime:
    """The host of `registry`'s modules; see `libs.module.Host`."""

    def __init__(
        self, registry: Registry, settings: Settings[HostSettings], *, version: str
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._resources: dict[type[Any], Resource] = {}
        self._peers: dict[str, HttpClient] = {}
        self._running: list[tuple[Task, asyncio.Task[None]]] = []
        self._meta = Meta(
            version=version,
            commit=self.server.commit,
            environment=self.server.environment,
            modules=registry.names,
        )
        self._wired: dict[str, Wired] = {
            module.name: module.build(self, settings.modules[module.name]) for module in registry
        }
        self._denied = self.share(DenyList)
        if RedisConnection in self._resources:  # and so is configured
            self._denied.configure(RedisDenyStore(self.share(RedisConnection)))
        every = [check for wired in self._wired.values() for check in wired.checks]
        # one answer for a dependency of several modules: critical if it is so for any of them
        checks = {check.name: check for check in sorted(every, key=lambda check: check.critical)}
        self.health = Health(list(checks.values()))

    @property
    def server(self) -> ServerSettings:
        return self._settings.process.server

    @property
    def settings(self) -> Settings[HostSettings]:
        return self._settings

    @property
    def wired(self) -> dict[str, Wired]:
        """The modules, put together, by name."""
        return self._wired

    def share(self, kind: type[R]) -> R:
        if kind not in self._resources:
            self._resources[kind] = kind()
        return cast(R, self._resources[kind])

    def peer(self, name: str) -> HttpClient:
        if name not in self._peers:
            address = self._settings.peers.get(name)
            transport = None if address else InProcessTransport(lambda: cast(Any, self.app))
            self._peers[name] = HttpClient(
                name, address or f"http://{name}.internal", self._settings.process.http, transport
            )
        return self._peers[name]

    @cached_property
    def app(self) -> ASGIApp:
        """The application as it is served."""
        return in_layer(self.fastapi, self._registry, self.server, limits=self._limits())

    def _limits(self) -> Limits | None:
        """Counted together with the processes that have the same Redis, if there is one."""
        settings = self._settings.process.limits
        if not settings.enabled:
            return None
        shared = RedisConnection in self._resources
        permits = RedisPermits(self.share(RedisConnection)) if shared else None
        return Limits.of(settings.quotas(self.server.environment), permits)

    @cached_property
    def verifier(self) -> TokenVerifier:
        """What access tokens are verified with, whichever module is asked."""
        auth = AuthClient(self.peer("auth"))
        return TokenVerifier(auth.keys, self._settings.process.tokens, denied=self._denied)

    @cached_property
    def fastapi(self) -> FastAPI:
        """The application without the layer around it."""
        return create_app(
            [router for wired in self._wired.values() for router in wired.routers],
            state=self.health,
            meta=self._meta,
            verifier=self.verifier,
            lifespan=self.running(),
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Resources are open; no task runs. Enough for commands that use a module's services."""
        async with AsyncExitStack() as stack:
            for resource in list(self._resources.values()):
                await resource.open()
                stack.push_async_callback(resource.close)
            for peer in list(self._peers.values()):
                stack.push_async_callback(peer.close)
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Resources are open and tasks run."""
        own = self._own_tasks()
        async with self.opened():
            self._running += [(task, self._start(current().service, task)) for task in own]
            for name, wired in self._wired.items():
                self._running += [(task, self._start(name, task)) for task in wired.tasks]
            build_info(
                version=self._meta.version,
                commit=self._meta.commit,
                modules=",".join(self._registry.names),
            )
            self.health.started = True
            log.info("server.started", modules=self._registry.names)
            try:
                yield
            finally:
                self.health.stopping = True
                await self._stop_tasks()
        log.info("server.stopped")

    async def serve(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            AddressInUse: the address is taken.
        """
        give_large_blocks_back()
        listener = listen(self.server.host, self.server.port)
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            loop="none",
            http=Protocol,
            ws="none",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(self.server.drain_s)),
        )
        server = _Server(config)
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, partial(self._stop, server, signum))
        host, port = listener.getsockname()[:2]
        log.info("server.listening", host=host, port=port)
        await server.serve(sockets=[listener])
        if not self.health.started:  # uvicorn has logged why the start failed
            raise SystemExit(3)

    def _stop(self, server: uvicorn.Server, signum: signal.Signals) -> None:
        log.info("server.stopping", signal=signum.name)
        self.health.stopping = True
        server.should_exit = True
        self._stopping = asyncio.create_task(self._stop_tasks())  # beside the requests in flight

    def _own_tasks(self) -> list[Task]:
        """What keeps the verifier up to date."""
        tokens = self._settings.process.tokens
        return [
            Periodic("deny_list", self._denied.refresh, every_s=tokens.deny_poll_s),
            Periodic("verifier.keys", self.verifier.refresh, every_s=tokens.keys_max_age_s),
        ]

    def _start(self, module: str, task: Task) -> asyncio.Task[None]:
        context = replace(current(), context_id=new_context_id(), service=module)
        with use(context):
            return asyncio.create_task(_supervise(task, self.health), name=task.name)

    async def _stop_tasks(self) -> None:
        async def stop(task: Task, running: asyncio.Task[None]) -> None:
            await task.stop()
            _, late = await asyncio.wait({running}, timeout=self.server.drain_s)
            if late:
                log.warning("task.cancelled", task=task.name)
                running.cancel()

        await asyncio.gather(*(stop(task, running) for task, running in self._running))


async def _supervise(task: Task, health: Health) -> None:
    """Run a task until it is told to stop; one that ends early is logged and started again."""
    while not health.stopping:
        try:
            await task.run()
        except Exception:
            log.exception("task.failed", task=task.name)
        if not health.stopping:
            await asyncio.sleep(RESTART_PAUSE_S)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        AddressInUse: another program has it.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressInUse(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    return listener


def give_large_blocks_back() -> None:
    """Have glibc return memory blocks of 1 MiB and more to the system as soon as they are free.

    Left alone, its threshold grows to the largest block that was freed (up to 32 MiB), and what
    argon2 takes for each password (19 MiB) stays with the process. Elsewhere: nothing to do.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 2**20)


def leave_what_is_there_alone() -> None:
    """Have the garbage collector look at what comes from now on, and less often.

    Left alone, it goes through some hundred thousand objects of modules and schemas again and
    again, none of which is ever garbage. What a request leaves is gone without it, but for cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class _Server(uvicorn.Server):
    """uvicorn's, without its own signal handling: it would end the process by the signal."""

    def capture_signals(self) -> Any:
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        leave_what_is_there_alone()


def process_context() -> RequestContext:
    """A context for the process itself."""
    return RequestContext(context_id=new_context_id(), service="throughline")
