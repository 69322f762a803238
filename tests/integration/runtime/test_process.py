"""A real process: it starts, serves, and stops in order on SIGTERM."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from libs.runtime import AddressInUse, listen
from tests.log_contract import violations

PATIENCE_S = 180


class Program:
    """A running one, and its log as far as it has been read."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.raw: list[bytes] = []

    async def until(self, event: str) -> dict[str, Any]:
        """Read the log up to the first line of `event`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._process.stdout:
                self.raw.append(line)
                found: dict[str, Any] = orjson.loads(line)
                if found["event"] == event:
                    return found
        raise AssertionError(f"{event} is not in the log:\n{b''.join(self.raw).decode()}")

    async def url(self) -> str:
        """Where it serves, once it does."""
        listening = await self.until("server.listening")
        await self.until("server.started")
        return f"http://{listening['host']}:{listening['port']}"

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has one; and the rest of its log."""
        async with asyncio.timeout(PATIENCE_S):
            rest, errors = await self._process.communicate()
        self.raw += rest.splitlines()
        assert errors == b""
        assert self._process.returncode is not None
        return self._process.returncode

    def events(self) -> list[str]:
        return [orjson.loads(line)["event"] for line in self.raw]


@asynccontextmanager
async def _program() -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.runtime.program", "0", stdout=PIPE, stderr=PIPE
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_in_flight_is_answered_before_the_end(number: signal.Signals) -> None:
    async with _program() as program:
        url = await program.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as http:
            assert (await http.get("/health/ready")).status_code == 200
            asking = asyncio.create_task(http.get("/v1/until-stopped"))
            while (await program.until("request.started"))["path"] != "/v1/until-stopped":
                pass
            program.signal(number)
            answer = await asking
            assert answer.status_code == 200
            assert answer.json() == {"status": "down", "reason": "stopping", "dependencies": {}}
            status = await program.ended()
            with pytest.raises(httpx.TransportError):
                await http.get("/health/live")
    assert status == 0
    events = program.events()
    assert events.index("work.finished") < events.index("store.closed")
    assert events.index("server.stopping") < events.index("store.closed")
    assert [event for event in events if event != "foreign"][-1] == "server.stopped"
    assert violations(program.raw) == []


async def test_a_process_without_work_ends_at_once() -> None:
    async with _program() as program:
        await program.url()
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
    assert violations(program.raw) == []


def test_an_address_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf"127\.0\.0\.1:{port} cannot be listened on"):
            listen("127.0.0.1", port)


def test_a_port_can_be_listened_on_again_at_once() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = first.accept()
            served.close()
            client.recv(1)
    with listen("127.0.0.1", port) as second:
        assert second.getsockname()[1] == port
