"""The form of a line, whoever logs it. The fixture `logged` holds every line to the contract."""

import asyncio
import io
import logging
import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import pytest

from libs import logging as logs
from libs.context import RequestContext, current, use
from libs.logging import get_logger
from tests.log_contract import violations
from tests.unit.conftest import Logged

log = get_logger()

CONTEXT = RequestContext(
    context_id="request-1", service="api", actor="user-1", causation_id="event-0001"
)


def test_a_line_tells_the_session_with_and_without_the_short_cut(logged: Logged) -> None:
    context = RequestContext(context_id="request-1", service="api", actor="u", session_id="s")
    with use(context):
        log.info("order.placed")
        log.error("order.failed", exc_info=LookupError())
    log.info("order.none")
    lines = [logged.line(f"order.{name}") for name in ("placed", "failed", "none")]
    assert [line.get("sessionId") for line in lines] == ["s", "s", None]


def test_a_line_has_what_every_line_has(logged: Logged) -> None:
    log.info("order.placed", orderId="1", durationMs=1.234)
    line = logged.line("order.placed")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "service": "throughline",
        "event": "order.placed",
        "contextId": current().context_id,
        "version": "1.2.3",
        "env": "test",
        "orderId": "1",
        "durationMs": 1.234,
    }


def test_a_line_begins_with_what_people_look_for(logged: Logged) -> None:
    log.info("order.placed")
    assert list(logged.line("order.placed"))[:5] == [
        *("timestamp", "level", "service", "event", "contextId")
    ]


def test_a_line_has_the_context_it_was_written_in(logged: Logged) -> None:
    with use(CONTEXT):
        log.info("order.placed")
    line = logged.line("order.placed")
    assert (line["contextId"], line["service"]) == ("request-1", "api")
    assert (line["userId"], line["causationId"]) == ("user-1", "event-0001")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_levels(logged: Logged, level: str) -> None:
    getattr(log, level)("some.event")
    assert logged.line("some.event")["level"] == level


@pytest.mark.parametrize(
    ("level", "kept"), [("info", 4), ("warning", 3), ("error", 2)], ids=["info", "warning", "error"]
)
def test_what_is_below_the_level_is_not_written(level: str, kept: int) -> None:
    stream = io.BytesIO()
    root = logging.getLogger()
    handlers, before = list(root.handlers), root.level
    logs.configure(level=level, version="1", environment="test", stream=stream)
    try:
        for each in ("debug", "info", "warning", "error", "critical"):
            getattr(log, each)("own.event")
            getattr(logging.getLogger("foreign"), each)("theirs")
    finally:
        logs.close()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(before)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 * kept
    assert violations(lines) == []


def fail(error: Exception) -> NoReturn:
    raise error


class Colour(StrEnum):
    RED = "red"


@dataclass
class Point:
    x: int


class Unprintable:
    def __str__(self) -> NoReturn:
        raise LookupError

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), None),
        ("ünïcode ✓", "ünïcode ✓"),
        ("two\nlines", "two\nlines"),
        (b"bytes", "b'bytes'"),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
        (UUID(int=7), str(UUID(int=7))),
        (Decimal("12.50"), "12.50"),
        (Path("a", "b"), "a/b"),
        (Colour.RED, "red"),
        ({"a"}, ["a"]),
        (("a", 1), ["a", 1]),
        ({1: {"b": [2]}}, {"1": {"b": [2]}}),
        (LookupError("gone"), "gone"),
        (2**70, str(2**70)),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ({"\ud800": ["\ud800"]}, {"?": ["?"]}),
        (Point(1), "Point(x=1)"),
        (Unprintable(), "<Unprintable>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_can_be_written(logged: Logged, value: object, written: object) -> None:
    log.info("some.event", value=value)
    assert logged.line("some.event")["value"] == written


def test_an_exception_is_data(logged: Logged) -> None:
    with pytest.raises(LookupError) as inner:
        fail(LookupError("inner"))
    error = ValueError("outer")
    error.__cause__ = inner.value
    try:
        fail(error)
    except ValueError:
        log.exception("work.failed")
    line = logged.line("work.failed")
    assert line["level"] == "error"
    assert [e["exc_type"] for e in line["exception"]] == ["ValueError", "LookupError"]
    assert line["exception"][0]["frames"][-1]["name"] == "fail"


class TestForeignLoggers:
    """Lines of other libraries have the same form."""

    @pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn", "aiokafka.producer", "tortoise"])
    def test_they_arrive_as_lines(self, logged: Logged, name: str) -> None:
        with use(CONTEXT):
            logging.getLogger(name).warning("%s of %d", "one", 2)
        line = logged.line("foreign")
        assert (line["logger"], line["message"]) == (name, "one of 2")
        assert (line["level"], line["contextId"]) == ("warning", "request-1")

    def test_their_exceptions_are_data(self, logged: Logged) -> None:
        try:
            fail(LookupError("gone"))
        except LookupError:
            logging.getLogger("aiokafka").exception("it broke")
        assert logged.line("foreign")["exception"][0]["exc_type"] == "LookupError"

    @pytest.mark.parametrize(
        "name",
        ["uvicorn.access", "tortoise.db_client", "httpx", "httpcore.http11", "pymongo.topology"],
    )
    def test_those_that_tell_too_much_are_quiet(self, logged: Logged, name: str) -> None:
        logging.getLogger(name).info("GET /?email=somebody@example.com")
        assert logged.raw() == b""

    @pytest.mark.parametrize("name", ["uvicorn.access", "tortoise.db_client"])
    def test_those_that_tell_secrets_are_quiet_whatever_happens(
        self, logged: Logged, name: str
    ) -> None:
        logging.getLogger(name).error("INSERT INTO users VALUES ('secret')")
        assert logged.raw() == b""

    def test_warnings_are_lines(self, logged: Logged) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old way", DeprecationWarning, stacklevel=1)
        line = logged.line("foreign")
        assert line["logger"] == "py.warnings"
        assert "DeprecationWarning: old way" in line["message"]

    @pytest.mark.parametrize("level", [1, 5, 15, 25, 35, 60])
    def test_levels_of_their_own_become_ours(self, logged: Logged, level: int) -> None:
        logger = logging.getLogger("their.own")
        logger.setLevel(1)
        logger.log(level, "hello")
        assert logged.line("foreign")["message"] == "hello"

    @pytest.mark.parametrize(
        ("message", "arguments"),
        [
            ("%d", ("x",)),
            ("%s %s", ("one",)),
            ("%(a)s", ({"b": 1},)),
            ("%s", (Unprintable(),)),
            (Unprintable(), ()),
        ],
    )
    def test_a_record_that_cannot_be_read_is_told_and_harms_nobody(
        self, logged: Logged, message: Any, arguments: tuple[object, ...]
    ) -> None:
        record = logging.makeLogRecord(
            {"name": "their.own", "levelno": logging.ERROR, "msg": message, "args": arguments}
        )
        logs._ForeignHandler().handle(record)  # alone: pytest's own handler would raise
        assert logged.line("foreign.unreadable")["logger"] == "their.own"

    async def test_a_task_that_nobody_waits_for_is_a_line(self, logged: Logged) -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "never retrieved", "exception": LookupError("x")})
        assert logged.line("foreign")["logger"] == "asyncio"


class TestOutput:
    """Lines are written whole, all of them, and in the order of each thread."""

    def test_nothing_is_lost_or_torn_under_threads(self, logged: Logged) -> None:
        threads, each = 16, 500

        def work(number: int) -> None:
            with use(RequestContext(context_id=f"thread-{number:02}", service="api")):
                for n in range(each):
                    (log.warning if n % 50 == 0 else log.info)("some.event", n=n)

        running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        lines = logged.lines()
        assert len(lines) == threads * each
        for number in range(threads):
            own = [line["n"] for line in lines if line["contextId"] == f"thread-{number:02}"]
            assert own == list(range(each))

    def test_a_warning_is_written_at_once_and_a_line_soon(self) -> None:
        stream = io.BytesIO()
        output = logs._BufferedOutput(stream, interval=60)
        logger = logs._OutputLogger(output)
        logger.info(b"one")
        assert stream.getvalue() == b""
        logger.warning(b"two")
        assert stream.getvalue() == b"one\ntwo\n"
        logger.info(b"three")
        output.close()
        assert stream.getvalue() == b"one\ntwo\nthree\n"

    def test_a_line_is_written_soon_without_anybody_asking(self) -> None:
        written = threading.Event()

        class Stream(io.BytesIO):
            def flush(self) -> None:
                written.set()

        output = logs._BufferedOutput(Stream(), interval=0.01)
        output.write(b"line")
        assert written.wait(10)
        output.close()

    def test_a_reader_that_went_away_harms_nobody(self) -> None:
        class Broken(io.BytesIO):
            failure: type[OSError] = BrokenPipeError

            def write(self, _: object) -> NoReturn:
                raise self.failure

        for failure in (BrokenPipeError, OSError):
            stream = Broken()
            stream.failure = failure
            output = logs._BufferedOutput(stream, interval=0.001)
            logs._OutputLogger(output).error(b"line")
            output.close()

    def test_a_finalizer_that_logs_while_lines_are_written_does_not_wait_for_itself(self) -> None:
        class Stream(io.BytesIO):
            def write(self, lines: Any) -> int:
                if b"first" in lines:
                    logger.error(b"second")
                return super().write(lines)

        stream = Stream()
        output = logs._BufferedOutput(stream, interval=60)
        logger = logs._OutputLogger(output)
        done = threading.Thread(target=lambda: logger.error(b"first"), daemon=True)
        done.start()
        done.join(10)
        assert not done.is_alive()
        output.close()
        assert stream.getvalue() == b"first\nsecond\n"
