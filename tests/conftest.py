"""What holds for all tests: the servers they share, what becomes of the log, no third parties."""

import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from libs import logging as logs
from libs.embedded import EmbeddedError
from libs.embedded.server import ignore_progress
from tests.servers import SharedServers, are_needed
from tests.third_parties import unreachable

SERVERS = pytest.StashKey[SharedServers]()
LONGEST_FIRST = ("e2e", "embedded", "integration")


def pytest_configure() -> None:
    os.environ.update(unreachable())
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # As in many containers. But here many processes begin, and each would compile everything.
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix) / "bytecode")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers, unless this is a worker, or no test is asked for that uses them."""
    config = session.config
    asked_for = [config.invocation_params.dir / name.partition("::")[0] for name in config.args]
    if hasattr(config, "workerinput") or config.option.collectonly or not are_needed(asked_for):
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: with an orderly end
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    servers = SharedServers()
    try:
        servers.start(terminal.write_line if terminal else ignore_progress)
    except EmbeddedError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)
    config.stash[SERVERS] = servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that the workers end together."""
    items.sort(key=lambda item: [folder not in item.path.parts for folder in LONGEST_FIRST])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them. This is called whatever has happened before, Ctrl-C included."""
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()
        del config.stash[SERVERS]


class _Nowhere(io.BytesIO):
    """Takes everything and keeps nothing."""

    def write(self, _: Any) -> int:
        return 0


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Logging as in a process, but unseen.

    Unless it is configured, structlog draws every traceback in colour, for seconds each.
    """
    logs.configure(level="debug", version="0", environment="test", stream=_Nowhere())
    logging.captureWarnings(False)  # they are errors here


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """The lines of the log as dictionaries: all that is done to them is done but for rendering."""
    chain = logs.processors(version="0", environment="test")[:-1]
    with capture_logs(processors=chain) as lines:
        yield lines
