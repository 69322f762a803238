"""Processes that are killed in the middle of a change to the catalogue.

Run as a program it has everything loaded. Each line of its standard input says what is to be done,
and when to die: a copy of it does so, and what it died of is a line of the standard output.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

import httpx
import orjson

from libs import logging as logs
from libs.documents.outbox import DocumentOutbox
from libs.module import Registry
from services.api.catalog.repository import ServiceRepository
from services.api.module import MODULE
from tests.integration.api.system import LocalRuntime

PHASES: Final = {
    "before the write": (ServiceRepository, ("add", "update"), "before"),
    "written": (ServiceRepository, ("add", "update"), "after"),
    "the cache has forgotten": (DocumentOutbox, ("take_over",), "before"),
    "in PostgreSQL's transaction": (DocumentOutbox, ("_take_over",), "after"),
    "in the outbox": (DocumentOutbox, ("take_over",), "after"),
    "out of the document": (DocumentOutbox, ("clear",), "after"),
}
"""Where it dies."""


def arrange(phase: str) -> None:
    """See to it that the process dies there."""
    owner, names, when = PHASES[phase]
    for name in names:
        setattr(owner, name, _deadly(getattr(owner, name), when))


def _deadly(original: Any, when: str) -> Any:
    async def deadly(*args: Any) -> None:
        if when == "after":
            await original(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    return deadly


async def request(
    environ: Mapping[str, str], user_id: str, method: str, path: str, **request: Any
) -> None:
    """Send one request, as an administrator."""
    runtime = LocalRuntime(Registry((MODULE,)), environ)
    token = runtime.issuer.token(str(UUID(user_id)), roles=("admin",), name="Ada", country="DE")
    headers = {"Authorization": f"Bearer {token}", **request.pop("headers")}
    async with runtime.opened():
        transport = httpx.ASGITransport(cast(Any, runtime.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            await http.request(method, path, headers=headers, **request)


def _in_a_copy(told: dict[str, Any]) -> int:
    """What it died of, as `os.waitstatus_to_exitcode` says."""
    child = os.fork()
    if child == 0:
        try:
            logs.configure(level="error", version="0", environment="test", stream=sys.stderr.buffer)
            arrange(told.pop("phase"))
            asyncio.run(request(**told))
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(b"%d\n" % _in_a_copy(orjson.loads(line)))
        sys.stdout.buffer.flush()


class Mortals:
    """The program, while it runs: processes with a life of one request each."""

    def __init__(self) -> None:
        command = (sys.executable, "-m", __name__)
        pipe = subprocess.PIPE
        self._program = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def close(self) -> None:
        """End it."""
        self._program.communicate()

    async def die(self, phase: str, **told: Any) -> None:
        """Have one do what `request` does, and die in `phase`."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(orjson.dumps({"phase": phase, **told}) + b"\n")
        self._program.stdin.flush()
        assert int(await asyncio.to_thread(self._program.stdout.readline)) == -signal.SIGKILL


if __name__ == "__main__":
    main()
