"""A load generator: HTTP/1.1 over connections that stay open, each with one request at a time.

It runs in a process of its own (`python -m tests.bench.load`, the plan on standard input, the
result on standard output), so that it takes no time from what it measures but that of the
processor. For the figures of a comparison there is better: wrk, see `docs/performance.md`.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import count, cycle
from typing import Final, cast

import click
import httptools
import uvloop
from pydantic import BaseModel

UNIQUE: Final = "@UNIQUE@"
"""Stands for a text that is another in each request."""


PATIENCE_S: Final = 30.0
"""For the last answers."""


class Plan(BaseModel):
    """What is asked.

    Attributes:
        requests: whole, as they go over the wire; sent in turn.
        tag: the beginning of what is put in for `UNIQUE`.
    """

    host: str
    port: int
    requests: list[str]
    tag: str
    connections: int = 16
    seconds: float


class Result(BaseModel):
    """What came of it.

    Attributes:
        failed: answers that were not 2xx.
    """

    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float


class _Connection(asyncio.Protocol):
    """Asks, waits for the answer, and asks again."""

    def __init__(self, requests: Iterator[bytes], stop_at: float) -> None:
        self._requests = requests
        self._stop_at = stop_at
        self.ended = asyncio.get_running_loop().create_future()
        self.took: list[float] = []
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's only looks like one
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._asked_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The parser has seen a whole answer."""
        now = time.perf_counter()
        self.took.append(now - self._asked_at)
        self.failed += not 200 <= self._parser.get_status_code() < 300
        if now < self._stop_at:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)


def _each(plan: Plan) -> Iterator[bytes]:
    numbers = count()
    for request in cycle(plan.requests):
        yield request.replace(UNIQUE, f"{plan.tag}-{next(numbers):08d}").encode()


async def run(plan: Plan) -> Result:
    """Ask for as long as the plan says."""
    loop, requests = asyncio.get_running_loop(), _each(plan)
    began = time.perf_counter()
    stop_at = began + plan.seconds
    made = [
        await loop.create_connection(lambda: _Connection(requests, stop_at), plan.host, plan.port)
        for _ in range(plan.connections)
    ]
    connections = [connection for _, connection in made]
    async with asyncio.timeout(plan.seconds + PATIENCE_S):
        await asyncio.gather(*(connection.ended for connection in connections))
    took = sorted(seconds for connection in connections for seconds in connection.took)
    return Result(
        requests=len(took),
        failed=sum(connection.failed for connection in connections),
        seconds=time.perf_counter() - began,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[len(took) * 99 // 100] * 1000,
    )


if __name__ == "__main__":
    click.echo(uvloop.run(run(Plan.model_validate_json(sys.stdin.buffer.read()))).model_dump_json())
