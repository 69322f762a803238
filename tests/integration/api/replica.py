"""Another process that hosts the module, on the same databases and cache.

Run as a program it is told its settings by its standard input, says who may ask it, and serves.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import asyncpg
import httpx
import orjson

from libs import logging as logs
from libs.embedded.server import free_port
from libs.ids import uuid7
from libs.module import Registry
from services.api.module import MODULE
from tests.integration.api.services import Admin
from tests.integration.api.system import LocalRuntime, System, User
from tests.waiting import until


def main() -> None:
    logs.configure(level="error", version="0", environment="test", stream=sys.stderr.buffer)
    runtime = LocalRuntime(Registry((MODULE,)), orjson.loads(sys.stdin.buffer.readline()))
    who = str(uuid7())
    token = runtime.issuer.token(who, roles=("admin",), name="Ada", country="DE")
    sys.stdout.buffer.write(orjson.dumps([who, token]) + b"\n")
    sys.stdout.buffer.flush()
    asyncio.run(runtime.serve())


@asynccontextmanager
async def replica(environ: Mapping[str, str], database: asyncpg.Connection) -> AsyncIterator[Admin]:
    """An administrator at such a process, while it runs."""
    port, pipe = free_port(), subprocess.PIPE
    command = (sys.executable, "-m", __name__)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(orjson.dumps({**environ, "THROUGHLINE_PORT": str(port)}) + b"\n")
    try:
        who, token = orjson.loads(await process.stdout.readline())
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
            await until(lambda: _answers(http), "the process")
            system = System(cast("LocalRuntime", None), http, database)
            yield Admin(system, User(who, {"Authorization": f"Bearer {token}"}))
    finally:
        process.terminate()
        await process.wait()


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/live")).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
