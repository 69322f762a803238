"""A way to PostgreSQL on which a statement, or its answer, can be held up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_QUERY: Final = b"Q"
_PARSE: Final = b"P"
_BIND: Final = b"B"
_COMPLETE: Final = b"C"
_READY: Final = b"Z"


@dataclass
class Proxy:
    """Passes on what client and server tell each other, up to a certain point.

    It takes part in connections without TLS, of clients that send a statement in one piece.

    Attributes:
        port: where it listens, on the loopback address.
        held: set when it has stopped a connection. Nothing passes there any more, either way.
    """

    server: str
    port: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _before: bytes | None = None
    _after: bytes | None = None

    def url(self, url: str) -> str:
        """`url`, by way of this."""
        parts = urlsplit(url)
        credentials = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{self.port}"))

    def hold_before(self, statement: str) -> None:
        """Stop a connection when a client sends a statement with this text."""
        self._before = statement.encode()

    def hold_after(self, statement: str) -> None:
        """Stop a connection when the server has done one, before the client hears of it."""
        self._after = statement.encode()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        parts = urlsplit(self.server)
        address = (str(parts.hostname), int(parts.port or 5432))
        from_server, to_server = await asyncio.open_connection(*address)
        watched = _Watched()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, to_server, watched))
                group.create_task(self._answers(from_server, writer, watched))
        except* (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, to_server):
                end.close()

    async def _requests(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, watched: "_Watched"
    ) -> None:
        while data := await source.read(2**16):
            if self._before is not None and self._before in data:
                await self._hold(source)
                break
            if self._after is not None:
                watched.look_for(self._after, data)
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError

    async def _answers(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, watched: "_Watched"
    ) -> None:
        while data := await source.read(2**16):
            if watched.is_done_with(data):
                await self._hold(None)
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError

    async def _hold(self, client: asyncio.StreamReader | None) -> None:
        """Do nothing more; but if it is a client that is waited for, only until they are gone."""
        self._before = self._after = None
        self.held.set()
        if client is None:
            await asyncio.Event().wait()
        else:
            while await client.read(2**16):
                pass


@dataclass
class _Watched:
    """The answers to one client, as far as they are of interest."""

    name: bytes | None = None
    watching: bool = False
    complete: bool = False
    rest: bytes = b""

    def look_for(self, statement: bytes, data: bytes) -> None:
        """Begin to watch when a client has a statement run: at once, or by its name."""
        if statement in data:
            self.watching = data.startswith(_QUERY)
            self.name = data[5 : data.index(b"\0", 5)] if data.startswith(_PARSE) else None
        elif self.name is not None and data.startswith(_BIND) and self.name in data:
            self.watching = True

    def is_done_with(self, data: bytes) -> bool:
        """Whether the statement that is watched is done, and what it did is committed."""
        if not self.watching:
            return False
        self.rest += data
        while len(self.rest) >= 5:
            size = 1 + int.from_bytes(self.rest[1:5])
            if len(self.rest) < size:
                break
            kind, self.rest = self.rest[:1], self.rest[size:]
            self.complete = self.complete or kind == _COMPLETE
            if self.complete and kind == _READY:
                return True
        return False


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server of `url`."""
    proxy = Proxy(url)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.port = listener.getsockname()[1]
    server = await asyncio.start_server(proxy.connect, sock=listener)
    try:
        yield proxy
    finally:
        server.close()
