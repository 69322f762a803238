"""What is beside the process that is measured: MongoDB's and Kafka's stand-ins of the embedded
profile, and an issuer of tokens in place of the module `auth`.

Like PostgreSQL and Redis, which the driver of the comparison runs, these are not part of what is
measured: they get the other processors, and are no children of the process. They end with it.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from services.cli.lazy import load
from tests.bench.peer.tokens import Issued


class Surroundings(BaseModel):
    """What the process is told of what is beside it.

    Attributes:
        settings: our variables that lead to the servers.
    """

    settings: dict[str, str]
    issued: Issued


class Servers:
    """All of it, seen from the process that needs it."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.bench.peer", "servers"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ready(self) -> Surroundings:
        """Wait until everything is there.

        Raises:
            RuntimeError: something does not start.
        """
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self._process.wait()
        if not said:
            raise RuntimeError("the servers of the embedded profile do not start")
        return Surroundings.model_validate_json(said)


def run() -> None:
    """Run it until standard input ends; tell of it on standard output."""
    if os.fork():
        os._exit(0)  # so that nobody who is measured is our parent
    _go_elsewhere()
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as folder:
        asyncio.run(load("tests.bench.peer.embedded:run")(Path(folder)))


def _go_elsewhere() -> None:
    """Leave the processor that the measured process has to it alone, if there is another."""
    others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    if others:
        os.sched_setaffinity(0, others)
