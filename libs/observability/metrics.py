"""Prometheus metrics: the instrumentator's definitions, fed from the request layer.

`prometheus-fastapi-instrumentator` brings the metric names that its published dashboards expect;
its middleware is left out, as a second layer around every request would cost more than the rest of
the layer together.
"""

from typing import cast

from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_fastapi_instrumentator import metrics
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""


class HttpMetrics:
    """The `http_*` metrics of the process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._instrumentation = metrics.default(
            latency_lowr_buckets=LATENCY_BUCKETS, registry=registry
        )

    def observe(self, scope: Scope, *, route: str, status: int, sent: int, seconds: float) -> None:
        """Count one request.

        Args:
            scope: the request's.
            route: its template, or "unmatched".
            status: of the answer; 0 when the client went away before one.
            sent: bytes of the answer's body.
            seconds: from the first byte in to the last byte out.
        """
        if self._instrumentation is None:  # a second application in one process, in tests
            return
        response = Response(status_code=status or 499, headers={"content-length": str(sent)})
        self._instrumentation(
            metrics.Info(
                request=Request(scope),
                response=response,
                method=cast(str, scope["method"]),
                modified_handler=route,
                modified_status=f"{(status or 499) // 100}xx",
                modified_duration=seconds,
            )
        )


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
