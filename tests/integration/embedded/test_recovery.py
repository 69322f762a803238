"""After `kill -9`: nothing is left running, and the next start works by itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from libs.embedded import EmbeddedProfile
from libs.embedded.process import is_gone
from libs.embedded.profile import DATABASE_ADMIN_URL

pytestmark = pytest.mark.asyncio

Profiles = Callable[..., EmbeddedProfile]
ROOT = Path(__file__).parents[3]

PARENT = """
import asyncio, json, os, sys
from pathlib import Path
from libs.embedded import EmbeddedProfile

async def main():
    profile = EmbeddedProfile(Path(sys.argv[1]), os.environ)
    settings = await profile.start(lambda _: None)
    pids = [server.pid for server in profile.servers.values()]
    sys.stdout.write(json.dumps({"settings": settings, "pids": pids}) + "\\n")
    sys.stdout.flush()
    try:
        await asyncio.sleep(600)
    finally:
        await profile.stop()

asyncio.run(main())
"""


@dataclass
class Parent:
    """Another process that runs a profile."""

    process: subprocess.Popen[str]
    settings: dict[str, str]
    family: list[psutil.Process]
    """Its servers, and their own children."""

    @classmethod
    def start(cls, data: Path, environ: dict[str, str]) -> "Parent":
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(data)],
            stdout=subprocess.PIPE,
            env=environ,
            cwd=ROOT,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as output:
            told = json.loads(output.readline())
        servers = [psutil.Process(pid) for pid in told["pids"]]
        children = [child for server in servers for child in server.children(recursive=True)]
        return cls(process, told["settings"], servers + children)

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(20)


def quiet(_: str) -> None: ...


async def all_gone(processes: list[psutil.Process], within: float) -> bool:
    deadline = time.monotonic() + within
    while not all(is_gone(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def write_a_row(settings: dict[str, str]) -> None:
    connection = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()


async def row_is_there(settings: dict[str, str]) -> bool:
    connection = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
    try:
        return bool(await connection.fetchval("SELECT one FROM kept") == 1)
    finally:
        await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of that death")
async def test_servers_end_when_we_are_killed(used: Path, environ: dict[str, str]) -> None:
    parent = Parent.start(used, environ)
    parent.end(signal.SIGKILL)
    assert await all_gone(parent.family, within=8)


async def test_we_start_at_once_after_being_killed(
    used: Path, environ: dict[str, str], profile_of: Profiles
) -> None:
    parent = Parent.start(used, environ)
    await write_a_row(parent.settings)
    parent.end(signal.SIGKILL)

    profile = profile_of("postgres", "valkey", "mongo", "kafka")
    settings = await profile.start(quiet)
    try:
        assert await all_gone(parent.family, within=1)
        assert await row_is_there(settings)
    finally:
        await profile.stop()


async def test_orphans_that_went_on_are_ended_at_the_next_start(
    used: Path, environ: dict[str, str], profile_of: Profiles
) -> None:
    """As on a system that does not tell a child of its parent's death."""
    parent = Parent.start(used, environ)
    await write_a_row(parent.settings)
    for process in parent.family:
        process.suspend()
    parent.end(signal.SIGKILL)
    assert not any(is_gone(process) for process in parent.family)
    for process in parent.family[4:]:
        process.resume()

    profile = profile_of("postgres", "valkey", "mongo", "kafka")
    settings = await profile.start(quiet)
    try:
        assert await all_gone(parent.family, within=1)
        assert await row_is_there(settings)
    finally:
        await profile.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_reaches_us_alone_and_stops_everything(
    used: Path, environ: dict[str, str], number: signal.Signals
) -> None:
    parent = Parent.start(used, environ)
    assert all(
        os.getpgid(process.pid) != os.getpgid(parent.process.pid) for process in parent.family
    )
    parent.end(number)
    assert await all_gone(parent.family, within=8)


async def test_a_stale_lock_file_with_the_number_of_a_stranger(
    used: Path, profile_of: Profiles
) -> None:
    first = profile_of("postgres")
    await first.start(quiet)
    lock = used / "postgres" / "cluster" / "postmaster.pid"
    text = lock.read_text()
    await first.stop()
    stranger = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220
    try:
        lock.write_text("\n".join([str(stranger.pid), *text.splitlines()[1:]]) + "\n")
        note = used / "run" / "postgres.pid"
        note.write_text(f"{stranger.pid} {time.time():.3f} /usr/bin/postgres\n")
        second = profile_of("postgres")
        await second.start(quiet)
        await second.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_an_interrupted_first_start_is_begun_again(data: Path, profile_of: Profiles) -> None:
    part = data / "postgres" / "cluster.part"
    part.mkdir(parents=True)
    (part / "PG_VERSION").write_text("18\n")
    profile = profile_of("postgres")
    await profile.start(quiet)
    await profile.stop()
    assert not part.exists()


def working_in(folder: Path) -> list[str]:
    """The command lines that speak of `folder`, also of processes that are not our children."""
    found = psutil.process_iter(["cmdline", "status"])
    return [
        " ".join(process.info["cmdline"])
        for process in found
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and str(folder) in " ".join(process.info["cmdline"] or ())
    ]


@pytest.mark.parametrize("delay", [0.02, 0.3, 0.8])
async def test_a_start_that_is_cancelled_leaves_nothing(
    data: Path, profile_of: Profiles, delay: float
) -> None:
    profile = profile_of("postgres", "valkey", "mongo", "kafka")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    starting = asyncio.create_task(profile.start(quiet))
    await asyncio.sleep(delay)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before
    assert not working_in(data)
    assert not profile.servers
    again = profile_of("postgres")
    await again.start(quiet)
    await again.stop()
