"""Many commands over one connection, which may fail at any of them."""

import asyncio
import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError, ResponseError

from libs.cache.pipeline import Pipeline, encode
from tests.waiting import until

ENDLESS = 60.0


class FakeWire:
    """A connection whose other end the test plays.

    Attributes:
        written: what was sent, write by write.
        replies: what is received next; an exception is raised.
        closed: whether it was.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.replies: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = False
        self.broken = False

    async def connect(self) -> None:
        raise AssertionError("it is connected")

    async def send_packed_command(self, command: bytes, check_health: bool = True) -> None:  # noqa: ARG002
        if self.broken:
            raise LostConnection("broken pipe")
        self.written.append(command)

    async def read_response(self, disable_decoding: bool = False) -> Any:  # noqa: ARG002
        reply = await self.replies.get()
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: ARG002
        self.closed = True


class Scene:
    """A pipeline over a fake connection, and why it has ended."""

    def __init__(self, patience: float = ENDLESS) -> None:
        self.wire = FakeWire()
        self.reasons: list[RedisError | OSError] = []
        self.pipeline = Pipeline(self.wire, patience=patience, ended=self.reasons.append)

    async def asked(self, count: int) -> list[asyncio.Future[Any]]:
        """Commands that have been sent."""
        futures = [self.pipeline.ask(b"%d" % n) for n in range(count)]
        await until(lambda: b"".join(self.wire.written).endswith(b"%d" % (count - 1)), "sent")
        return futures


async def ended(*futures: asyncio.Future[Any]) -> list[Any]:
    return await asyncio.gather(*futures, return_exceptions=True)


def test_a_command_is_an_array_of_strings_of_known_length() -> None:
    assert encode(b"GET", b"a\r\nb") == b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"


async def test_commands_of_a_turn_go_out_in_one_write() -> None:
    scene = Scene()
    futures = await scene.asked(3)
    assert scene.wire.written == [b"012"]
    futures.append(scene.pipeline.ask(b"3"))
    for reply in (b"zero", None, [b"t", b"wo"], 3):
        scene.wire.replies.put_nowait(reply)
    assert await ended(*futures) == [b"zero", None, [b"t", b"wo"], 3]
    await scene.pipeline.close()


async def test_a_refusal_is_its_askers_alone() -> None:
    scene = Scene()
    futures = await scene.asked(3)
    refusal = ResponseError("OOM")
    for reply in (b"0", refusal, b"2"):
        scene.wire.replies.put_nowait(reply)
    assert await ended(*futures) == [b"0", refusal, b"2"]
    assert scene.reasons == []
    await scene.pipeline.close()


async def test_nobody_gets_the_reply_of_one_who_has_left() -> None:
    scene = Scene()
    futures = await scene.asked(3)
    futures[1].cancel()
    for reply in (b"0", b"1", b"2"):
        scene.wire.replies.put_nowait(reply)
    assert await ended(futures[0], futures[2]) == [b"0", b"2"]
    await scene.pipeline.close()


@pytest.mark.parametrize("where", ["sending", "receiving", "closing"])
async def test_all_who_wait_fail_with_the_connection(where: str) -> None:
    scene = Scene()
    futures = await scene.asked(3)
    if where == "receiving":
        scene.wire.replies.put_nowait(LostConnection("reset"))
    elif where == "sending":
        scene.wire.broken = True
        futures.append(scene.pipeline.ask(b"one too many"))
    else:
        await scene.pipeline.close()
    reasons = set(await ended(*futures))
    assert list(reasons) == scene.reasons
    assert await ended(scene.pipeline.ask(b"later")) == scene.reasons
    await until(lambda: scene.wire.closed, "it is closed")


async def test_silence_ends_it() -> None:
    scene = Scene(patience=0.05)
    began = time.monotonic()
    futures = await scene.asked(2)
    scene.wire.replies.put_nowait(b"0")
    assert await futures[0] == b"0"
    (reason,) = await ended(futures[1])
    assert isinstance(reason, TimeoutError)
    assert time.monotonic() - began >= 0.045
    assert scene.reasons == [reason]
    await until(lambda: scene.wire.closed, "it is closed")


async def test_that_this_process_is_late_is_not_redis_fault() -> None:
    scene = Scene(patience=0.05)
    for _ in range(5):
        futures = await scene.asked(3)
        for reply in (b"0", b"1", b"2"):
            scene.wire.replies.put_nowait(reply)
        time.sleep(0.12)  # noqa: ASYNC251 - to be late
        assert await ended(*futures) == [b"0", b"1", b"2"]
        scene.wire.written.clear()
    assert scene.reasons == []
    await scene.pipeline.close()


async def test_as_long_as_replies_come_in_time_it_goes_on() -> None:
    scene = Scene(patience=1.0)
    for n in range(3):
        future = scene.pipeline.ask(b"x")
        await asyncio.sleep(0.5)  # longer than its patience, all together
        scene.wire.replies.put_nowait(n)
        assert await future == n
    assert scene.reasons == []
    await scene.pipeline.close()
