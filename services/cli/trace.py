"""One contextId's way through the logs of all processes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """A step that has to be there.

    Attributes:
        service: the module.
        event: the log event; several names mean any of them.
        detail: what `detail` has to give, or None for anything.
    """

    service: str
    event: tuple[str, ...]
    detail: str | None = None

    def matches(self, line: Line) -> bool:
        """Whether `line` is this step."""
        return (
            line["service"] == self.service
            and line["event"] in self.event
            and (self.detail is None or self.detail == detail(line))
        )

    def __str__(self) -> str:
        return f"{self.service} {'|'.join(self.event)} {self.detail or ''}".rstrip()


CACHE_LOOKUP = ("cache.hit", "cache.miss", "cache.stale", "cache.error")

ORDER_FLOW: Sequence[Expected] = (
    Expected("auth", ("request.finished",), "POST /v1/auth/signup 201"),
    Expected("auth", ("outbox.added",), "UserCreated"),
    Expected("auth", ("event.published",), "UserCreated"),
    Expected("worker", ("event.consumed",), "UserCreated"),
    Expected("auth", ("request.finished",), "POST /v1/auth/login 200"),
    Expected("api", ("request.finished",), "GET /v1/services 200"),
    Expected("api", CACHE_LOOKUP),
    Expected("api", ("request.finished",), "POST /v1/orders 201"),
    Expected("api", ("db.query",), "orders.insert"),
    Expected("api", ("outbox.added",), "OrderPlaced"),
    Expected("api", ("event.published",), "OrderPlaced"),
    Expected("worker", ("event.consumed",), "OrderPlaced"),
    Expected("worker", ("http.call",), "integrations GET /v1/exchange-rates 200"),
    Expected("worker", ("http.call",), "integrations GET /v1/holidays 200"),
    Expected("integrations", ("request.finished",), "GET /v1/exchange-rates 200"),
    Expected("integrations", ("request.finished",), "GET /v1/holidays 200"),
    Expected("integrations", CACHE_LOOKUP),
    Expected("worker", ("outbox.added",), "OrderAssessed"),
    Expected("worker", ("event.published",), "OrderAssessed"),
    Expected("api", ("event.consumed",), "OrderAssessed"),
    Expected("api", ("outbox.added",), "OrderConfirmed"),
    Expected("api", ("event.published",), "OrderConfirmed"),
    Expected("worker", ("event.consumed",), "OrderConfirmed"),
    Expected("worker", ("notification.stored",)),
    Expected("api", ("request.finished",), "GET /v1/orders/{id} 200"),
)
"""What an order leaves behind on its way, from signing up to the notification."""


def detail(line: Line) -> str:
    """What happened, in a few words."""
    parts = {
        "db.query": ("statement",),
        "document.command": ("command", "collection"),
        "http.call": ("client", "method", "route", "status", "error"),
        "request.started": ("method", "path"),
        "request.finished": ("method", "route", "status"),
    }.get(line["event"], ("eventType", "namespace", "topic"))
    found = [str(line[part]) for part in parts if part in line]
    return " ".join(found[:1] if line["event"] not in _WHOLE else found)


_WHOLE = ("document.command", "http.call", "request.started", "request.finished")


def read(logs: Iterable[Path]) -> Iterator[Line]:
    """The lines of several logs, one log after the other; what is not a line is left out."""
    for path in logs:
        with path.open("rb") as log:
            for raw in log:
                if raw.startswith(b"{") and raw.endswith(b"\n"):
                    yield orjson.loads(raw)


def began(line: Line) -> datetime:
    """When the step began: a line is written at its end."""
    at = datetime.fromisoformat(line["timestamp"])
    return at - timedelta(milliseconds=float(line.get("durationMs", 0)))


def of_context(lines: Iterable[Line], context_id: str) -> list[Line]:
    """The lines of one context, in the order of their beginning."""
    return sorted((line for line in lines if line["contextId"] == context_id), key=began)


def missing(trace: Sequence[Line]) -> list[Expected]:
    """The steps of an order that `trace` lacks."""
    return [step for step in ORDER_FLOW if not any(map(step.matches, trace))]


def strays(lines: Iterable[Line], trace: Sequence[Line], order_id: str) -> list[Line]:
    """Lines that are about the same order or its events, but under another context."""
    ids = {order_id, *(line["eventId"] for line in trace if "eventId" in line)}
    own = trace[0]["contextId"] if trace else ""
    return [
        line
        for line in lines
        if line["contextId"] != own and (line.get("orderId") in ids or line.get("eventId") in ids)
    ]


def table(trace: Sequence[Line]) -> str:
    """The steps in time order: offset, duration, component, event, detail."""
    if not trace:
        return ""
    start = began(trace[0])
    rows = [("at ms", "took ms", "component", "event", "what")]
    for line in trace:
        at = (began(line) - start).total_seconds() * 1000
        took = f"{line['durationMs']:.1f}" if "durationMs" in line else ""
        rows.append((f"{at:.1f}", took, line["service"], line["event"], detail(line)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        f"{a:>{widths[0]}}  {t:>{widths[1]}}  {c:<{widths[2]}}  {e:<{widths[3]}}  {w}".rstrip()
        for a, t, c, e, w in rows
    )
