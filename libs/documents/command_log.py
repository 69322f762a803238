"""One log line per command to MongoDB: its name, collection and duration; never what is in it.

The driver calls the listener in a thread of motor's pool. Motor runs each operation there in a copy
of the caller's context, so the line carries the caller's contextId. What the driver does by itself,
in its own threads, is logged with the process' own.

The looking for work of a task, every few seconds for ever, is not logged; what it leads to is.
"""

import threading
from collections.abc import Mapping
from typing import Final

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from libs.logging import get_logger

_HOUSEKEEPING = frozenset({"hello", "ping", "endSessions", "saslStart", "saslContinue"})

LOOKING: Final = "looking for work"
"""The comment of a query that is not to be logged unless it fails."""

log = get_logger()


class CommandLog(CommandListener):
    """Writes `document.command` lines.

    Args:
        slow_ms: a command that takes longer is a warning.
    """

    def __init__(self, *, slow_ms: float) -> None:
        self._slow_ms = slow_ms
        self._running = threading.local()  # a command starts and ends in one thread

    def started(self, event: CommandStartedEvent) -> None:
        self._running.collection = _collection(event.command_name, event.command)
        self._running.quiet = event.command.get("comment") == LOOKING

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._write(event, error=None)

    def failed(self, event: CommandFailedEvent) -> None:
        failure = event.failure  # its message may quote values
        error = failure.get("errtype") or failure.get("codeName") or "OperationFailure"
        self._write(event, error=str(error))

    def _write(
        self, event: CommandSucceededEvent | CommandFailedEvent, *, error: str | None
    ) -> None:
        quiet = error is None and getattr(self._running, "quiet", False)
        if quiet or event.command_name in _HOUSEKEEPING:
            return
        milliseconds = round(event.duration_micros / 1000, 3)
        fields: dict[str, object] = {"command": event.command_name, "durationMs": milliseconds}
        if collection := getattr(self._running, "collection", None):
            fields["collection"] = collection
        if error is not None:
            fields["error"] = error
        if error is not None or milliseconds > self._slow_ms:
            log.warning("document.command", **fields)
        else:
            log.info("document.command", **fields)


def _collection(name: str, command: Mapping[str, object]) -> str | None:
    target = command.get("collection" if name == "getMore" else name)
    return target if isinstance(target, str) else None
