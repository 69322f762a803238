"""What holds for all unit tests: none opens a socket, and what they log keeps to the contract."""

import io
import logging
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson
import pytest
import structlog

from libs import logging as logs
from tests.log_contract import violations


class SocketOpened(AssertionError):
    """A unit test has reached for the network."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse internet sockets. The event loop's own pair is of the family AF_UNIX."""
    for method in ("bind", "connect", "connect_ex", "listen"):
        original = getattr(socket.socket, method)

        def guarded(
            self: socket.socket, *args: Any, _original: Any = original, _method: str = method
        ) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse(_method)
            return _original(self, *args)

        monkeypatch.setattr(socket.socket, method, guarded)


def refuse(method: str) -> NoReturn:
    raise SocketOpened(f"a unit test opens no socket ({method}): this belongs in tests/integration")


class Logged:
    """The log of a test."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def raw(self) -> bytes:
        """As it was written."""
        logs.flush()
        return self._stream.getvalue()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """All lines, or those of one event."""
        every = [orjson.loads(line) for line in self.raw().splitlines()]
        return [line for line in every if event in (None, line["event"])]

    def line(self, event: str) -> dict[str, Any]:
        """The one line of an event."""
        (found,) = self.lines(event)
        return found


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Logging as in a process, into memory. At the end every line must keep to the contract."""
    before = _standard_logging()
    stream = io.BytesIO()
    logs.configure(level="debug", version="1.2.3", environment="test", stream=stream)
    log = Logged(stream)
    yield log
    logs.close()
    logging.captureWarnings(False)
    structlog.reset_defaults()
    _restore(before)
    assert violations(log.raw().splitlines()) == []


_Loggers = dict[str, tuple[list[logging.Handler], int, bool]]


def _standard_logging() -> _Loggers:
    names = ["", "uvicorn", "uvicorn.error", *logs.FOREIGN_LEVELS]
    loggers = {name: logging.getLogger(name) for name in names}
    return {n: (list(each.handlers), each.level, each.propagate) for n, each in loggers.items()}


def _restore(loggers: _Loggers) -> None:
    for name, (handlers, level, propagate) in loggers.items():
        logger = logging.getLogger(name)
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
