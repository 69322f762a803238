"""Serving `api`, with the adapter in front."""

from collections.abc import Mapping
from functools import cached_property

from starlette.types import ASGIApp

from libs import logging
from libs.config import Settings
from libs.context import set_process_context
from libs.module import Registry
from libs.runtime import Runtime, process_context
from libs.settings import HostSettings
from libs.version import VERSION
from services import registry
from services.cli import process
from services.cli import settings as cli_settings
from tests.bench.peer.adapter import Adapter
from tests.bench.peer.servers import Servers
from tests.bench.peer.settings import MODULE, settings
from tests.bench.peer.tokens import TokenExchange


class PeerRuntime(Runtime):
    """The runtime of production; what it serves has the adapter in front."""

    def __init__(
        self, modules: Registry, read: Settings[HostSettings], exchange: TokenExchange
    ) -> None:
        super().__init__(modules, read, version=VERSION)
        self._exchange = exchange

    @cached_property
    def app(self) -> ASGIApp:
        return Adapter(super().app, self._exchange)


def serve(environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM."""
    with Servers() as servers:
        modules = registry.load((MODULE,))
        beside = servers.ready()
        read = cli_settings.settings((MODULE,), settings(environ, beside.settings))
        host = read.process.server
        logging.configure(level=host.log_level, version=VERSION, environment=host.environment)
        set_process_context(process_context())
        exchange = TokenExchange(environ, beside.issued)
        process.run(PeerRuntime(modules, read, exchange).serve())
