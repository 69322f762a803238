"""A running system for the tests, once as one process and once as four."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.cli.stack import ONE_PROCESS, PROCESS_PER_MODULE, Stack, Topology
from tests.environment import environment
from tests.log_contract import violations

T = TypeVar("T")

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


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(f"e2e-{name}")) for name in TOPOLOGIES
    ],
)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The whole system, in each topology. When it has ended, every line of its logs is checked."""
    run = Blocking()
    with data_folder() as data:
        stack = Stack(data, environment(), port=0, topology=TOPOLOGIES[request.param])
        run(stack.start(lambda _: None))
        try:
            yield stack
        finally:
            run(stack.stop())
            run.close()
        assert_clean(stack.logs)


def assert_clean(logs: list[Path]) -> None:
    """Every line of every log keeps the contract."""
    for log in logs:
        with log.open("rb") as lines:
            assert violations(lines) == [], log
