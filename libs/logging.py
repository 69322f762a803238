"""Structured logs: JSON, one object a line, on standard output, and nothing else there.

Every line has `timestamp level service version env event contextId`; the schema of a line is
`docs/reference/log.schema.json`. Event names are static and dotted; data are fields. Loggers of
other libraries arrive through one handler and become lines of the same form.

Lines are buffered and written at least every 100 ms (at once from WARNING on), because a write a
line costs more than all the rest of making it.
"""

import atexit
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from libs.context import current

REDACTED = "[redacted]"

SECRET_FIELDS = frozenset(
    {
        *("password", "newpassword", "currentpassword", "secret", "clientsecret"),
        *("token", "accesstoken", "refreshtoken", "authorization", "cookie", "setcookie"),
        *("apikey", "xapikey", "privatekey", "signingkey", "email", "dsn"),
    }
)
"""Field names, in lower case without separators, whose values are never logged."""

_SECRET_SHAPES = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a JSON Web Token
    r"|(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"  # user and password in a URL
    r"|(?i:bearer\s+)[\w.~+/-]+=*"
    r"|[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"  # an e-mail address
    r"|(?i:(?:password|passwd|secret|token|api[_-]?key)\w*['\"]?\s*[=:]\s*)['\"]?[^\s'\",;}&]+"
    r"|(?<=\?)[^\s'\"]+"  # the query of a URL
)
_HINT = re.compile(r"[@?=:]|eyJ|earer ")
"""What every shape above has in it: one cheap look saves most strings the dear one."""

_TRUSTED = frozenset(
    ("timestamp", "level", "service", "event", "contextId", "version", "env", "statement", "method")
)
"""Fields whose values are ours: made here, or names from the code."""

_CONTAINERS = (Mapping, list, tuple, set, frozenset)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger. Usage: `log.info("order.placed", orderId=...)`."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger())


class _BufferedOutput:
    """Collects lines and writes them to `stream` in one go, from a thread of its own."""

    def __init__(self, stream: BinaryIO, interval: float = 0.1) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()  # its appends and pops are atomic: no lock to log
        self._lock = threading.Lock()
        self._flushing: int | None = None  # the thread that does
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._interval = interval
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        self._lines.append(line)

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
        self._stopped.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
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


def _add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = current()
    event.setdefault("service", context.service)
    event.setdefault("contextId", context.context_id)
    if context.causation_id is not None:
        event.setdefault("causationId", context.causation_id)
    if context.actor is not None:
        event.setdefault("userId", context.actor)
    return event


def _add_constants(version: str, environment: str) -> structlog.typing.Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["version"] = version
        event["env"] = environment
        return event

    return add


def scrub(text: str) -> str:
    """`text` without anything that looks like a secret, a token, an e-mail address or a query."""
    return _SECRET_SHAPES.sub(REDACTED, text) if _HINT.search(text) else text


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {
            scrub(str(k)): REDACTED if _is_secret(str(k)) else _redact(v) for k, v in value.items()
        }
    if isinstance(value, _CONTAINERS):
        return [_redact(v) for v in value]
    return value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name.replace("_", "").replace("-", "").lower() in SECRET_FIELDS


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take out what must never be logged: by the field's name, and by the value's shape."""
    for name, value in event.items():
        if name in _TRUSTED:
            continue
        if _is_secret(name):
            event[name] = REDACTED
        elif isinstance(value, str):
            event[name] = scrub(value)
        elif isinstance(value, _CONTAINERS):
            event[name] = _redact(value)
    return event


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


# A dataclass is written as its text, which is scrubbed; as an object its fields would not be.
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS

_FIRST = ("timestamp", "level", "service", "event", "contextId")


def _render(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    ordered = {name: event.pop(name) for name in _FIRST}  # people read lines from the left
    line = {**ordered, **event}
    try:
        return orjson.dumps(line, default=_stringify, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(line), default=_stringify, option=_OPTIONS)


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
    "httpcore": logging.WARNING,
    "pymongo": logging.WARNING,
    "asyncio": logging.WARNING,
}

_output: _BufferedOutput | None = None


def flush() -> None:
    """Write what is buffered, now."""
    if _output is not None:
        _output.flush()


def close() -> None:
    """Write what is buffered and leave the stream alone from now on."""
    global _output
    if _output is not None:
        _output.close()
        _output = None


def processors(*, version: str, environment: str) -> list[structlog.typing.Processor]:
    """The chain that every event goes through, up to the finished line."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        _add_context,
        _add_constants(version, environment),
        structlog.processors.ExceptionRenderer(
            # Local variables stay out: they once carried a password into a log.
            ExceptionDictTransformer(show_locals=False, max_frames=20)
        ),
        redact,
        _render,
    ]


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
    global _output
    if _output is not None:
        _output.close()
    _output = output = _BufferedOutput(stream or sys.stdout.buffer)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors(version=version, environment=environment),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _OutputLogger(output),
        cache_logger_on_first_use=False,
    )
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
