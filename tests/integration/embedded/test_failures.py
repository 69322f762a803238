"""A server that cannot be had is reported in one clear line."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.embedded import EmbeddedError, EmbeddedProfile, server
from libs.embedded.kafka import Kafka
from libs.embedded.mongo import Mongo
from libs.embedded.postgres import Postgres
from libs.embedded.profile import REDIS_URL
from libs.embedded.server import ChildServer
from libs.embedded.valkey import Valkey

pytestmark = pytest.mark.asyncio

Profiles = Callable[..., EmbeddedProfile]


def quiet(_: str) -> None: ...


def program(data: Path, text: str) -> Path:
    path = data / "program"
    data.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def valkey(data: Path, binary: Path) -> ChildServer:
    return Valkey(data, password="secret", binary=binary)


def kafka(data: Path, binary: Path) -> ChildServer:
    return Kafka(data, binary=binary)


def mongo(data: Path, binary: Path) -> ChildServer:
    return Mongo(data, environ={}, python=binary)


@pytest.mark.parametrize("make", [valkey, kafka, mongo])
async def test_a_program_that_fails(data: Path, make: Callable[[Path, Path], ChildServer]) -> None:
    child = make(data, program(data, "echo first; echo no such luck >&2; exit 3"))
    with pytest.raises(EmbeddedError, match=r"status 3: first \| no such luck") as error:
        await child.start()
    assert str(error.value).startswith(child.name)
    assert str(child.log) in str(error.value)
    assert "\n" not in str(error.value)


async def test_an_initdb_that_fails(data: Path) -> None:
    folder = data.with_name("programs")
    folder.mkdir()
    for name in ("initdb", "postgres", "psql", "createdb"):
        program(folder, "echo broken; exit 1").rename(folder / name)
    with pytest.raises(EmbeddedError, match="cluster failed with status 1: broken"):
        await Postgres(data, password="secret", binaries=folder).start()
    assert not (data / "postgres" / "password").exists()


async def test_a_program_that_is_missing(data: Path) -> None:
    with pytest.raises(EmbeddedError, match="there is no program at /nowhere"):
        await Kafka(data, binary=Path("/nowhere")).start()


async def test_a_program_that_never_answers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_TIMEOUT", 0.5)
    child = Kafka(data, binary=program(data, "echo waiting; exec sleep 60"))
    with pytest.raises(EmbeddedError, match=r"kafka did not answer within .* s: waiting"):
        await child.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = child.pid


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("name", ["postgres", "valkey", "mongo", "kafka"])
async def test_a_port_that_another_takes_first(
    name: str, profile_of: Profiles, used: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [taken_port]
    free_port = server.free_port
    monkeypatch.setattr(server, "free_port", lambda: ports.pop() if ports else free_port())
    monkeypatch.setattr(server, "_PING_TIMEOUT", 0.5)  # the other never answers
    profile = profile_of(name)
    await profile.start(quiet)
    assert not ports
    await profile.stop()


async def test_one_failure_stops_the_others(
    profile_of: Profiles, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = program(data, "sleep 0.5; exit 7")
    monkeypatch.setattr("libs.embedded.kafka._bundled", lambda: broken)
    profile = profile_of("valkey", "postgres", "kafka")
    with pytest.raises(EmbeddedError, match="kafka ended with status 7"):
        await profile.start(quiet)
    assert not profile.servers
    assert not list((data / "run").iterdir())


async def test_a_server_that_dies_is_noticed(profile_of: Profiles) -> None:
    profile = profile_of("valkey")
    await profile.start(quiet)
    try:
        watching = asyncio.create_task(profile.watch())
        await asyncio.sleep(0)
        os.kill(profile.servers[REDIS_URL].pid, signal.SIGKILL)
        with pytest.raises(EmbeddedError, match="valkey has ended with status -9"):
            await asyncio.wait_for(watching, 5)
    finally:
        await profile.stop()


async def test_a_lost_password_is_said_so(profile_of: Profiles, used: Path) -> None:
    (used / "secrets.json").unlink()
    with pytest.raises(EmbeddedError, match=r"does not know the password in .*secrets\.json"):
        await profile_of("postgres").start(quiet)


async def test_a_data_folder_that_cannot_be(data: Path, profile_of: Profiles) -> None:
    data.write_text("a file")  # noqa: ASYNC240
    with pytest.raises(EmbeddedError, match="cannot use"):
        await profile_of("valkey").start(quiet)
