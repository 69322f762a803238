"""The contract of the log refuses what is not fit for it."""

from typing import Any

import orjson
import pytest

from tests.log_contract import violations

LINE = {
    "timestamp": "2026-01-31T12:00:00.123456Z",
    "level": "info",
    "service": "api",
    "version": "1.2.3",
    "env": "test",
    "event": "something.happened",
    "contextId": "0198c5d2-7b00-7000-8000-000000000001",
}
CALL = {"client": "auth", "method": "GET", "route": "/x", "durationMs": 1.5, "attempt": 1}
FINISHED = {"method": "GET", "route": "/x", "status": 200, "durationMs": 1.5}
GOOD: dict[str, dict[str, Any]] = {
    "request.started": {"method": "GET", "path": "/x"},
    "request.finished": FINISHED,
    "db.query": {"statement": "orders.insert", "durationMs": 0},
    "document.command": {"command": "find", "collection": "services", "durationMs": 0.5},
    "cache.hit": {"namespace": "services"},
    "cache.miss": {"namespace": "services"},
    "cache.stale": {"namespace": "services"},
    "outbox.added": {"eventId": "1", "eventType": "OrderPlaced"},
    "event.published": {"eventId": "1", "eventType": "OrderPlaced"},
    "event.consumed": {"eventId": "1", "eventType": "OrderPlaced"},
    "http.call": CALL,
}


def _violations(**fields: object) -> list[str]:
    return violations([orjson.dumps({**LINE, **fields})])


@pytest.mark.parametrize("event", GOOD)
def test_good_lines_pass(event: str) -> None:
    known = {"traceId": "a" * 32, "spanId": "b" * 16, "userId": "u", "causationId": "request-1"}
    assert _violations(event=event, **GOOD[event], **known, anything={"else": [1]}) == []


@pytest.mark.parametrize("event", GOOD)
def test_what_an_event_needs_is_needed(event: str) -> None:
    optional = {"collection"}
    for name in GOOD[event].keys() - optional:
        rest = {n: v for n, v in GOOD[event].items() if n != name}
        assert f"line 1: {name} is missing" in _violations(event=event, **rest)[0]


@pytest.mark.parametrize("name", LINE)
def test_what_every_line_needs_is_needed(name: str) -> None:
    line = orjson.dumps({n: v for n, v in LINE.items() if n != name})
    assert violations([line])[0].startswith(f"line 1: {name} is missing")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timestamp", "2026-01-31T12:00:00"),
        ("timestamp", "2026-01-31T12:00:00+01:00"),
        ("timestamp", "2026-13-31T12:00:00Z"),
        ("timestamp", 1769860800),
        ("level", "WARN"),
        ("service", ""),
        ("service", "Api"),
        ("env", "staging"),
        ("event", "Order placed"),
        ("event", "order..placed"),
        ("contextId", "short"),
        ("contextId", "x" * 65),
        ("contextId", "with space"),
        ("contextId", None),
        ("causationId", "short"),
        ("userId", ""),
        ("traceId", "A" * 32),
        ("spanId", "b" * 32),
        ("durationMs", -0.001),
        ("durationMs", "12"),
        ("retryInMs", -1),
    ],
)
def test_bad_values_are_found(name: str, value: object) -> None:
    assert f"line 1: {name}: " in _violations(**{name: value})[0]


@pytest.mark.parametrize("name", ["params", "args", "parameters", "values"])
def test_a_query_shows_no_parameters(name: str) -> None:
    assert _violations(event="db.query", **GOOD["db.query"], **{name: [1]})
    assert _violations(**{name: [1]}) == []


@pytest.mark.parametrize("status", [20, 600, "200", 200.5])
def test_a_status_is_one_of_http(status: object) -> None:
    assert _violations(event="request.finished", **{**FINISHED, "status": status})


def test_a_route_has_no_query() -> None:
    assert _violations(event="http.call", **{**CALL, "route": "/x?email=a"})


@pytest.mark.parametrize("line", [b"", b"INFO: started", b'"text"', b"[]", b'{"event": NaN}'])
def test_what_is_no_json_object_is_a_violation(line: bytes) -> None:
    assert len(violations([orjson.dumps(LINE), line])) == 1


def test_each_mistake_of_each_line_is_told() -> None:
    bad = orjson.dumps({**LINE, "level": "loud", "env": "moon"})
    found = violations([bad, orjson.dumps(LINE), bad])
    assert [v.partition(":")[0] for v in found] == ["line 1", "line 1", "line 3", "line 3"]
