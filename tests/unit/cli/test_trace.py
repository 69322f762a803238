"""What `throughline demo` makes of logs, here of made-up ones."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.cli.trace import (
    ORDER_FLOW,
    Expected,
    Line,
    began,
    detail,
    missing,
    of_context,
    read,
    strays,
    table,
)

ID = "request-1"


def _line(event: str, second: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": f"2026-01-31T12:00:{second:06.3f}Z",
        "service": "api",
        "event": event,
        "contextId": ID,
        **fields,
    }


def _of(step: Expected) -> Line:
    """A line that is this step."""
    event = step.event[0]
    words = (step.detail or "").split()
    fields = {
        "request.finished": ("method", "route", "status"),
        "http.call": ("client", "method", "route", "status"),
        "db.query": ("statement",),
    }.get(event, ("eventType",))
    return {**_line(event, service=step.service), **dict(zip(fields, words, strict=False))}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (_line("db.query", statement="orders.insert", durationMs=1), "orders.insert"),
        (_line("document.command", command="find", collection="services"), "find services"),
        (_line("document.command", command="ping"), "ping"),
        (
            _line("http.call", client="auth", method="GET", route="/x", status=200, attempt=1),
            "auth GET /x 200",
        ),
        (
            _line("http.call", client="auth", method="GET", route="/x", error="timeout"),
            "auth GET /x timeout",
        ),
        (_line("request.started", method="GET", path="/v1/orders/1"), "GET /v1/orders/1"),
        (_line("request.finished", method="GET", route="/x", status=200), "GET /x 200"),
        (_line("cache.hit", namespace="services"), "services"),
        (_line("event.published", eventType="OrderPlaced", topic="orders"), "OrderPlaced"),
        (_line("consumer.started"), ""),
    ],
)
def test_what_happened_in_a_few_words(line: Line, expected: str) -> None:
    assert detail(line) == expected


def test_a_step_began_before_its_line_was_written() -> None:
    line = _line("db.query", 10, durationMs=1500)
    assert began(line).isoformat() == "2026-01-31T12:00:08.500000+00:00"
    assert began(_line("outbox.added", 10)).second == 10


def test_lines_of_one_context_in_the_order_of_their_beginning() -> None:
    late = _line("request.finished", 9, durationMs=9000)
    lines = [_line("db.query", 5), _line("other", contextId="another-1"), late, _line("a", 1)]
    assert [line["event"] for line in of_context(lines, ID)] == [
        "request.finished",
        "a",
        "db.query",
    ]


def test_a_complete_order_misses_nothing() -> None:
    assert missing([_of(step) for step in ORDER_FLOW]) == []


@pytest.mark.parametrize("absent", ORDER_FLOW, ids=str)
def test_each_step_is_missed(absent: Expected) -> None:
    assert missing([_of(step) for step in ORDER_FLOW if step != absent]) == [absent]


def test_nothing_at_all_misses_everything() -> None:
    assert missing([]) == list(ORDER_FLOW)


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"service": "worker"}, False),
        ({"event": "outbox.added"}, False),
        ({"status": 500}, False),
        ({"route": "/v1/services"}, False),
    ],
)
def test_a_step_is_of_its_module_with_its_outcome(changes: dict[str, Any], matches: bool) -> None:
    step = Expected("api", ("request.finished",), "POST /v1/orders 201")
    line = _line("request.finished", method="POST", route="/v1/orders", status=201)
    assert step.matches({**line, **changes}) is matches


def test_a_step_in_words() -> None:
    assert str(Expected("api", ("cache.hit", "cache.miss"))) == "api cache.hit|cache.miss"
    assert str(Expected("api", ("db.query",), "orders.insert")) == "api db.query orders.insert"


def test_lines_about_the_order_under_another_context_are_strays() -> None:
    trace = [_line("event.published", eventId="event-1"), _line("order.placed", orderId="order-1")]
    of_event = _line("event.consumed", eventId="event-1", contextId="another-1")
    of_order = _line("order.confirmed", orderId="order-1", contextId="another-1")
    harmless = [
        _line("event.consumed", eventId="event-2", contextId="another-1"),
        _line("order.placed", orderId="order-2", contextId="another-1"),
        _line("request.finished", contextId="another-1"),
    ]
    assert strays([*trace, of_event, *harmless, of_order], trace, "order-1") == [of_event, of_order]
    assert strays([of_order], [], "order-1") == [of_order]


def test_logs_are_read_up_to_a_line_that_is_being_written(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_bytes(orjson.dumps(_line("first")) + b"\nTraceback (most recent call last):\n\n")
    other.write_bytes(orjson.dumps(_line("second")) + b'\n{"timestamp": "2026-')
    assert [line["event"] for line in read([one, other])] == ["first", "second"]


def test_the_table() -> None:
    assert table([]) == ""
    trace = [
        _line("request.started", 1, method="GET", path="/x"),
        _line("db.query", 1.25, durationMs=12.34, statement="orders.insert"),
        _line("consumer.started", 2, service="worker"),
    ]
    assert table(trace).splitlines() == [
        " at ms  took ms  component  event             what",
        "   0.0           api        request.started   GET /x",
        " 237.7     12.3  api        db.query          orders.insert",
        "1000.0           worker     consumer.started",
    ]
