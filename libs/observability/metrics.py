"""Prometheus metrics of the requests, and the exposition of all metrics.

Names, labels and meanings of the `http_*` metrics are those of `prometheus-fastapi-instrumentator`,
so that dashboards made for it fit; a test holds the two together. The numbers are kept here, as
plain integers of the event loop's thread: with the library's own instruments, a lock for each of
ten counters, the request layer would cost twice as much.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.responses import Response

ROUTE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds, for each route."""

FINE_BUCKETS: Final = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5),
    *(7.5, 10, 30, 60),
)
"""Seconds, for all routes together."""

CLIENT_LEFT: Final = 499
"""Counted as the status of a request whose client did not wait for the answer."""


class _Durations:
    """A histogram."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each counts all that is below its bound."""
        so_far, found = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            name: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
            found.append((name, float(so_far)))
        return found


class _Sizes:
    """Numbers and bytes of requests and answers of a route."""

    __slots__ = ("count", "received", "sent")

    def __init__(self) -> None:
        self.count = self.received = self.sent = 0


class HttpMetrics(Collector):
    """The `http_*` metrics of the process.

    Args:
        registry: where they can be read, unless it has those of another application already.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._requests: dict[tuple[str, str, str], int] = {}
        self._sizes: dict[str, _Sizes] = {}
        self._of_routes: dict[tuple[str, str], _Durations] = {}
        self._of_all = _Durations(FINE_BUCKETS)
        with suppress(ValueError):
            registry.register(self)

    def observe(
        self, method: str, route: str, status: int, *, received: int, sent: int, seconds: float
    ) -> None:
        """Count one request.

        Args:
            route: its template, or "unmatched".
            status: of the answer; 0 when the client went away before one.
            received: bytes of the request's body, as its header says.
            sent: bytes of the answer's body.
            seconds: from the first byte in to the last byte out.
        """
        counted = (method, f"{(status or CLIENT_LEFT) // 100}xx", route)
        self._requests[counted] = self._requests.get(counted, 0) + 1
        sizes = self._sizes.get(route)
        if sizes is None:
            sizes = self._sizes[route] = _Sizes()
        sizes.count += 1
        sizes.received += received
        sizes.sent += sent
        of_route = self._of_routes.get((method, route))
        if of_route is None:
            of_route = self._of_routes[method, route] = _Durations(ROUTE_BUCKETS)
        of_route.observe(seconds)
        self._of_all.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """What is exposed."""
        total = CounterMetricFamily(
            "http_requests_total", "Requests", labels=("method", "status", "handler")
        )
        for labels, count in self._requests.items():
            total.add_metric(labels, count)
        received = SummaryMetricFamily(
            "http_request_size_bytes", "Bytes of requests' bodies", labels=("handler",)
        )
        sent = SummaryMetricFamily(
            "http_response_size_bytes", "Bytes of answers' bodies", labels=("handler",)
        )
        for route, sizes in self._sizes.items():
            received.add_metric((route,), sizes.count, sizes.received)
            sent.add_metric((route,), sizes.count, sizes.sent)
        fine = HistogramMetricFamily(
            "http_request_duration_highr_seconds",
            "Durations of all requests, in many buckets",
            buckets=self._of_all.buckets(),
            sum_value=self._of_all.total,
        )
        of_routes = HistogramMetricFamily(
            "http_request_duration_seconds",
            "Durations of the requests of each route",
            labels=("method", "handler"),
        )
        for of_route, durations in self._of_routes.items():
            of_routes.add_metric(of_route, durations.buckets(), durations.total)
        return (total, received, sent, fine, of_routes)

    def describe(self) -> Iterable[Metric]:
        """Their names, so that the registry can refuse others that have them."""
        return self.collect()


def build_info(*, version: str, commit: str, modules: str) -> None:
    """Publish `throughline_build_info`, which joins a version to every other series."""
    _BUILD_INFO.labels(version=version, commit=commit, modules=modules).set(1)


_BUILD_INFO = Gauge(
    "throughline_build_info", "What runs here", labelnames=("version", "commit", "modules")
)


def exposition() -> Response:
    """All metrics of the process, in the OpenMetrics format."""
    return Response(
        generate_latest(REGISTRY),  # type: ignore[no-untyped-call]
        media_type=CONTENT_TYPE_LATEST,
    )
