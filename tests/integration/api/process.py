"""`throughline serve api` as a process of its own, which can be killed."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import orjson

from tests.environment import environment
from tests.integration.api.system import Issuer
from tests.integration.databases import SERVICES
from tests.waiting import PATIENCE_S


class Server:
    """A serving process.

    Attributes:
        http: calls it.
    """

    def __init__(self, process: Process, http: httpx.AsyncClient) -> None:
        self._process = process
        self.http = http

    async def kill(self) -> None:
        """End it as a crash would; return when it is gone."""
        self.signal(signal.SIGKILL)
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)


@asynccontextmanager
async def serving(environ: Mapping[str, str], issuer: Issuer) -> AsyncIterator[Server]:
    """A process with these settings, to which `issuer` is the module `auth`."""
    async with _published(issuer) as auth_url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli.main", "serve", "api"),
            cwd=SERVICES.parent,
            env={
                **environment(),
                **environ,
                "THROUGHLINE_AUTH_URL": auth_url,
                "THROUGHLINE_PORT": "0",
            },
            stdout=PIPE,
        )
        try:
            url = await _address(process)
            reading = asyncio.create_task(_drain(process))
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as http:
                yield Server(process, http)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading


async def _address(process: Process) -> str:
    """Where it serves, once it does."""
    address, lines = "", []
    assert process.stdout is not None
    async for line in process.stdout:
        lines.append(line)
        told = orjson.loads(line)
        if told["event"] == "server.listening":
            address = f"http://{told['host']}:{told['port']}"
        if told["event"] == "server.started":
            return address
    raise AssertionError(b"".join(lines).decode())


async def _drain(process: Process) -> None:
    """Read what it writes, so that it can go on writing."""
    assert process.stdout is not None
    while await process.stdout.read(2**16):
        pass


@asynccontextmanager
async def _published(issuer: Issuer) -> AsyncIterator[str]:
    """The address of a server that answers everything with the issuer's key."""
    body = issuer.answer(httpx.Request("GET", "http://auth")).content
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
