"""Many commands at once over one connection.

    callers ──ask──► unsent ──one write a turn of the event loop──► Redis
       ▲                                                              │
       └────────────── asked, the oldest first ◄────one by one────────┘

Redis answers in the order in which it was asked, so the queue of those who asked is all it takes to
tell the replies apart. A pool would cost a connection, a write and a wake-up for every command;
here those who ask in the same turn share them.

redis-py does the rest: connecting, TLS, authentication, and taking replies apart.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from redis.exceptions import RedisError, ResponseError

Reply: TypeAlias = Any
"""What redis-py makes of a reply: bytes, an int, None, or a list of these."""

_TURNS = 6
"""A command whose time is up is given so many turns of the event loop before it counts as lost.
This process may be what was late, and the reply be there: a turn each to receive it, to wake who
takes it apart, and to do so; and as many again, to be sure."""


class Wire(Protocol):
    """What is used of redis-py's connection."""

    def connect(self) -> Awaitable[None]: ...
    def send_packed_command(self, command: bytes, check_health: bool = ...) -> Awaitable[None]: ...
    def read_response(self, disable_decoding: bool = ...) -> Awaitable[Reply]: ...
    def disconnect(self, nowait: bool = ...) -> Awaitable[None]: ...


def encode(*arguments: bytes) -> bytes:
    """A command as it is sent."""
    parts = [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    return b"*%d\r\n%b" % (len(arguments), b"".join(parts))


class Pipeline:
    """A connection that is there. It ends with its first failure, and with all who wait for it.

    Args:
        wire: connected.
        patience: seconds that a command may take.
        ended: called once, when it can no longer be used, with the reason.
    """

    def __init__(
        self, wire: Wire, *, patience: float, ended: Callable[[RedisError | OSError], None]
    ) -> None:
        self._wire = wire
        self._patience = patience
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._asked: deque[tuple[asyncio.Future[Reply], float]] = deque()
        self._unsent: list[bytes] = []
        self._something_to_send = asyncio.Event()
        self._alarm: asyncio.Handle | None = None
        self._reason: RedisError | OSError | None = None
        self._tasks = (
            asyncio.create_task(self._send()),
            asyncio.create_task(self._receive()),
        )

    def ask(self, command: bytes) -> asyncio.Future[Reply]:
        """Send a command soon. Whoever asked may be cancelled: the reply is then dropped.

        The future raises `RedisError` or `OSError`; a `ResponseError` is Redis' own answer, after
        which the connection is as good as before.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self._reason is not None:
            future.set_exception(self._reason)
            return future
        deadline = self._loop.time() + self._patience
        self._asked.append((future, deadline))
        if not self._unsent:
            self._something_to_send.set()
        self._unsent.append(command)
        if self._alarm is None:
            self._alarm = self._loop.call_at(deadline, self._look)
        return future

    async def close(self) -> None:
        """Fail all who wait, and close the connection."""
        self._end(ConnectionResetError("closed"))
        await asyncio.wait(self._tasks)
        await self._wire.disconnect(nowait=True)

    async def _send(self) -> None:
        try:
            while True:
                await self._something_to_send.wait()
                self._something_to_send.clear()
                commands = b"".join(self._unsent)
                self._unsent.clear()
                await self._wire.send_packed_command(commands, check_health=False)
        except (RedisError, OSError) as error:
            self._end(error)

    async def _receive(self) -> None:
        try:
            while True:
                try:
                    reply = await self._wire.read_response(disable_decoding=True)
                except ResponseError as refusal:
                    self._answer(None, refusal)
                else:
                    self._answer(reply)
        except (RedisError, OSError) as error:
            self._end(error)
        finally:
            await self._wire.disconnect(nowait=True)

    def _answer(self, reply: Reply, refusal: ResponseError | None = None) -> None:
        future, _ = self._asked.popleft()
        if future.done():  # cancelled
            return
        if refusal is None:
            future.set_result(reply)
        else:
            future.set_exception(refusal)

    def _look(self) -> None:
        """The time of the oldest command is up, or of one before it, which has been answered."""
        self._alarm = None
        if not self._asked:
            return
        oldest, deadline = self._asked[0]
        if self._loop.time() < deadline:
            self._alarm = self._loop.call_at(deadline, self._look)
        else:
            self._alarm = self._loop.call_soon(self._look_again, oldest, _TURNS)

    def _look_again(self, oldest: asyncio.Future[Reply], turns: int) -> None:
        if not self._asked or self._asked[0][0] is not oldest:
            self._look()
        elif turns:
            self._alarm = self._loop.call_soon(self._look_again, oldest, turns - 1)
        else:
            self._end(TimeoutError("no reply in time"))

    def _end(self, reason: RedisError | OSError) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._ended(reason)
        for future, _ in self._asked:
            if not future.done():
                future.set_exception(reason)
        self._asked.clear()
