"""A running system for the tests, once as one process and once as four."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.cli.stack import ONE_PROCESS, PROCESS_PER_MODULE, Stack, Topology
from tests.environment import environment
from tests.log_contract import violations

T = TypeVar("T")

PUBLISH_S = 6.0
"""How long a new signing key is published before it signs: no test waits for a minute."""

TOPOLOGIES: dict[str, Topology] = {"one": ONE_PROCESS, "four": PROCESS_PER_MODULE}


class Blocking:
    """Runs coroutines for tests that are not asynchronous, on one loop in the main thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.close()


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder for a system's data, which PostgreSQL's own account may pass through.

    Not one of pytest's: these are closed again whenever another run of pytest begins.
    """
    with tempfile.TemporaryDirectory(prefix="throughline-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "data"


@pytest.fixture
def data() -> Iterator[Path]:
    """The data folder of one test."""
    with data_folder() as data:
        yield data


@pytest.fixture(scope="session")
def stacks() -> Iterator[Callable[[str], Stack]]:
    """Gives the running system of a topology, started when it is first asked for.

    When all have ended, every line of their logs is checked.
    """
    run, running = Blocking(), dict[str, Stack]()
    with ExitStack() as on_end:

        def started(topology: str) -> Stack:
            if topology not in running:
                data = on_end.enter_context(data_folder())
                environ = {**environment(), "THROUGHLINE_TOKEN_PUBLISH_S": str(PUBLISH_S)}
                stack = Stack(data, environ, port=0, topology=TOPOLOGIES[topology])
                run(stack.start(lambda _: None))
                running[topology] = stack
            return running[topology]

        yield started
        for stack in running.values():
            run(stack.stop())
        run.close()
        for stack in running.values():
            assert_clean(stack.logs)


@pytest.fixture(params=TOPOLOGIES)
def stack(request: pytest.FixtureRequest, stacks: Callable[[str], Stack]) -> Stack:
    """The whole system, in each topology."""
    return stacks(request.param)


def assert_clean(logs: list[Path]) -> None:
    """Every line of every log keeps the contract."""
    for log in logs:
        with log.open("rb") as lines:
            assert violations(lines) == [], log
