"""Structured logs: JSON, one object a line, on standard output, and nothing else there.

Every line has `timestamp level service version env event contextId`; the schema of a line is
`docs/reference/log.schema.json`. Event names are static and dotted; data are fields. Loggers of
other libraries arrive through one handler and become lines of the same form.

structlog is what makes lines: `processors` is its chain. A line without an exception, and that is
nearly every one, takes a short cut through the same steps (`_Lines.write`), because there are
several for each request and the way through the chain costs five times as much.

Lines are buffered and written at least every 100 ms, and when there are many (at once from WARNING
on), because a write a line costs more than all the rest of making it.
"""

import atexit
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from libs.context import current
from libs.redaction import REDACTED, redact, scrub

__all__ = ["REDACTED", "Log", "close", "configure", "flush", "get_logger", "processors", "scrub"]


MOST_LINES: Final = 200
"""So many lines are not waited with: what is held back for long is memory the process never needs
again."""


class Log:
    """The logger. Usage: `log.info("order.placed", orderId=...)`."""

    __slots__ = ()

    def debug(self, event: str, /, **fields: Any) -> None:
        _log(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        _log(logging.INFO, "info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        _log(logging.WARNING, "warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        _log(logging.ERROR, "error", event, fields)

    def critical(self, event: str, /, **fields: Any) -> None:
        _log(logging.CRITICAL, "critical", event, fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """An error, with the exception that is being handled."""
        _log(logging.ERROR, "error", event, {"exc_info": True, **fields})

    def log(self, level: int, event: str, /, **fields: Any) -> None:
        """A line of one of the standard levels."""
        _log(level, logging.getLevelName(level).lower(), event, fields)


def get_logger() -> Log:
    """The logger; it may be made before logging is set up."""
    return Log()


class _BufferedOutput:
    """Collects lines and writes them to `stream` in one go, from a thread of its own."""

    def __init__(self, stream: BinaryIO, interval: float = 0.1) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()  # its appends and pops are atomic: no lock to log
        self._lock = threading.Lock()
        self._flushing: int | None = None  # the thread that does
        self._stopped = False
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._interval = interval
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) == MOST_LINES:
            self._wanted.set()

    def flush(self) -> None:
        if self._flushing == threading.get_ident():
            return  # a finalizer, run by the collector in the middle of this, logs: its line waits
        with self._lock:
            self._flushing = threading.get_ident()
            lines = [self._lines.popleft() + b"\n" for _ in range(len(self._lines))]
            if lines:
                with suppress(OSError, ValueError):  # nobody reads any more, or the disk is full
                    self._stream.write(b"".join(lines))
                    self._stream.flush()
            self._flushing = None

    def close(self) -> None:
        atexit.unregister(self.close)
        self._stopped = True
        self._wanted.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stopped:
            self._wanted.wait(self._interval)
            self._wanted.clear()
            self.flush()


class _OutputLogger:
    """What structlog calls with the finished line."""

    def __init__(self, output: _BufferedOutput) -> None:
        self._output = output

    def msg(self, line: bytes) -> None:
        self._output.write(line)

    debug = info = msg

    def warning(self, line: bytes) -> None:
        self._output.write(line)
        self._output.flush()

    error = critical = exception = fatal = warning


class _Lines:
    """The short cut: what `processors` does, for a line without an exception.

    Args:
        chain: structlog's; while something else is at its end (a test that captures lines), there
            is no short cut.
        level: the least level that is written.
        constants: fields of every line.
    """

    def __init__(
        self,
        chain: list[structlog.typing.Processor],
        output: _BufferedOutput,
        *,
        level: int,
        constants: Mapping[str, str],
    ) -> None:
        self._chain = chain
        self._output = output
        self._level = level
        self._constants = constants
        self._second = (0, "")  # since the epoch, and in text

    def take(self, number: int, level: str, event: str, fields: dict[str, Any]) -> bool:
        """Write the line, unless it is below the level; False if it is one for structlog."""
        if number < self._level:
            return True
        if "exc_info" in fields or self._chain[-1] is not _render:
            return False
        context = current()
        line = {
            "timestamp": self._now(),
            "level": level,
            "service": context.service,
            "event": event,
            "contextId": context.context_id,
        }
        if context.causation_id is not None:
            line["causationId"] = context.causation_id
        if context.actor is not None:
            line["userId"] = context.actor
        if context.session_id is not None:
            line["sessionId"] = context.session_id
        if fields:
            redact(fields)
            line |= fields
        line |= self._constants
        self._output.write(_dump(line))
        if number >= logging.WARNING:
            self._output.flush()
        return True

    def _now(self) -> str:
        """As `datetime.isoformat` has it, which would write the day and hour anew each time."""
        seconds, fraction = divmod(time.time_ns(), 1_000_000_000)
        second, text = self._second
        if seconds != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            self._second = (seconds, text)
        return f"{text}.{fraction // 1000:06d}Z"


def _log(number: int, level: str, event: str, fields: dict[str, Any]) -> None:
    if _lines is None or not _lines.take(number, level, event, fields):
        getattr(structlog.get_logger(), level)(event, **fields)


def _add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = current()
    event.setdefault("service", context.service)
    event.setdefault("contextId", context.context_id)
    if context.causation_id is not None:
        event.setdefault("causationId", context.causation_id)
    if context.actor is not None:
        event.setdefault("userId", context.actor)
    if context.session_id is not None:
        event.setdefault("sessionId", context.session_id)
    return event


def _add_constants(constants: Mapping[str, str]) -> structlog.typing.Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.update(constants)
        return event

    return add


def _take_secrets_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    redact(event)
    return event


_FIRST: Final = ("timestamp", "level", "service", "event", "contextId")


def _render(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    ordered = {name: event.pop(name) for name in _FIRST}  # people read lines from the left
    return _dump({**ordered, **event})


# A dataclass is written as its text, which is scrubbed; as an object its fields would not be.
_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def _dump(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, _stringify, _OPTIONS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(line), _stringify, _OPTIONS)


def _stringify(value: Any) -> str:
    try:
        return scrub(str(value))
    except Exception:  # noqa: BLE001 (a foreign __str__ may fail in any way)
        return f"<{type(value).__name__}>"


def _writable(value: Any) -> Any:
    """`value` without what orjson refuses: lone surrogates, integers of more than 64 bits."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_writable(k): _writable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_writable(v) for v in value]
    return str(value) if isinstance(value, int) and value.bit_length() > 63 else value


class _ForeignHandler(logging.Handler):
    """Turns a record of the standard library's logging into a line of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
            if record.exc_info and record.exc_info[0] is not None:
                fields["exc_info"] = record.exc_info
            get_logger().log(_standard_level(record.levelno), "foreign", **fields)
        except Exception:  # noqa: BLE001 (the record's arguments do not fit its format, or worse)
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (its name there)
        get_logger().error("foreign.unreadable", logger=record.name)


def _standard_level(number: int) -> int:
    """The standard level at or below: other libraries have levels of their own."""
    return min(max(number // 10 * 10, logging.DEBUG), logging.CRITICAL)


FOREIGN_LEVELS = {
    "uvicorn.access": logging.CRITICAL,  # our own access log is complete; theirs has raw queries
    "aiokafka": logging.WARNING,
    "tortoise": logging.WARNING,
    "tortoise.db_client": logging.CRITICAL,  # it logs statements with their parameters
    "httpx": logging.WARNING,  # it logs whole URLs
    "python_multipart": logging.WARNING,  # at debug level, a line for each byte
    "httpcore": logging.WARNING,
    "pymongo": logging.WARNING,
    "asyncio": logging.WARNING,
}

_output: _BufferedOutput | None = None
_lines: _Lines | None = None


def flush() -> None:
    """Write what is buffered, now."""
    if _output is not None:
        _output.flush()


def close() -> None:
    """Write what is buffered and leave the stream alone from now on."""
    global _output, _lines
    _lines = None
    if _output is not None:
        _output.close()
        _output = None


def processors(*, version: str, environment: str) -> list[structlog.typing.Processor]:
    """The chain that every event goes through, up to the finished line."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        _add_context,
        _add_constants(_constants(version, environment)),
        structlog.processors.ExceptionRenderer(
            # Local variables stay out: they once carried a password into a log.
            ExceptionDictTransformer(show_locals=False, max_frames=20)
        ),
        _take_secrets_out,
        _render,
    ]


def _constants(version: str, environment: str) -> Mapping[str, str]:
    return {"version": version, "env": environment}


def configure(
    *, level: str, version: str, environment: str, stream: BinaryIO | None = None
) -> None:
    """Set logging up for the process; call once, before anything else.

    Args:
        level: the least level that is written: debug, info, warning or error.
        version: of the program, for every line.
        environment: the profile, for every line.
        stream: where lines go; standard output if None.
    """
    global _output, _lines
    if _output is not None:
        _output.close()
    _output = output = _BufferedOutput(stream or sys.stdout.buffer)
    number = logging.getLevelNamesMapping()[level.upper()]
    chain = processors(version=version, environment=environment)
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _OutputLogger(output),
        cache_logger_on_first_use=False,
    )
    constants = _constants(version, environment)
    _lines = _Lines(chain, output, level=number, constants=constants)
    root = logging.getLogger()
    root.handlers[:] = [_ForeignHandler()]
    root.setLevel(number)
    logging.captureWarnings(True)
    for name, foreign_level in FOREIGN_LEVELS.items():
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
        foreign.setLevel(max(foreign_level, number))
    for name in ("uvicorn", "uvicorn.error"):
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
