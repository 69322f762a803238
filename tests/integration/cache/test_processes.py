"""Several processes and one cache: no stampede, and nothing outdated."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

from redis.asyncio import Redis

from tests.integration.own_servers import OwnValkey

PROCESSES = 5
READS = 300
"""By each of the processes."""
PATIENCE_S = 300.0


async def findings(server: OwnValkey, *work: str) -> list[dict[str, Any]]:
    """What each of the processes has found that did the same work at the same time."""
    command = (sys.executable, "-m", "tests.integration.cache.worker", server.url, *work)
    processes = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        for _ in range(PROCESSES)
    ]
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.gather(*map(_line, processes)) == [b"ready\n"] * PROCESSES
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
            found = await asyncio.gather(*map(_line, processes))
            assert await asyncio.gather(*(p.wait() for p in processes)) == [0] * PROCESSES
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return [json.loads(line) for line in found]


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def test_a_cold_key_is_loaded_once(server: OwnValkey) -> None:
    found = await findings(server, "stampede")
    assert found == [{"values": ["b'1'"]}] * PROCESSES
    async with Redis.from_url(server.url) as client:
        assert await client.get("loads") == b"1"


async def test_nobody_reads_what_is_older_than_the_last_acknowledged_write(
    server: OwnValkey,
) -> None:
    found = await findings(server, "hunt", str(READS))
    assert [outdated for each in found for outdated in each["outdated"]] == []
    assert all(each["reads"] >= READS and each["writes"] for each in found), found


async def test_the_hunt_finds_the_bug_that_it_is_for(server: OwnValkey) -> None:
    """A plain deletion: a load that was under way stores what is outdated."""
    found = await findings(server, "plain-deletion", str(READS))
    assert [outdated for each in found for outdated in each["outdated"]], found
