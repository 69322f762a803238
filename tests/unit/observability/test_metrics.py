"""The metrics of the requests."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import metrics

from libs.observability.metrics import ROUTE_BUCKETS, HttpMetrics

REQUESTS: list[dict[str, Any]] = [
    {"method": "GET", "route": "/v1/a", "status": 200, "received": 0, "sent": 17, "seconds": 0.004},
    {"method": "GET", "route": "/v1/a", "status": 404, "received": 0, "sent": 90, "seconds": 0.05},
    {"method": "POST", "route": "/v1/a", "status": 201, "received": 9, "sent": 8, "seconds": 0.3},
    {"method": "GET", "route": "/v1/b", "status": 503, "received": 0, "sent": 70, "seconds": 99.0},
]

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def ours() -> CollectorRegistry:
    registry = CollectorRegistry()
    observed = HttpMetrics(registry)
    for request in REQUESTS:
        observed.observe(request["method"], request["route"], request["status"], **_rest(request))
    return registry


def _rest(request: dict[str, Any]) -> dict[str, Any]:
    return {name: request[name] for name in ("received", "sent", "seconds")}


def _of_the_library() -> CollectorRegistry:
    registry = CollectorRegistry()
    instrument = metrics.default(latency_lowr_buckets=ROUTE_BUCKETS, registry=registry)
    assert instrument is not None
    for request in REQUESTS:
        info: Any = SimpleNamespace(
            method=request["method"],
            modified_handler=request["route"],
            modified_status=f"{request['status'] // 100}xx",
            modified_duration=request["seconds"],
            request=SimpleNamespace(headers={"Content-Length": request["received"]}),
            response=SimpleNamespace(headers={"Content-Length": request["sent"]}),
        )
        instrument(info)
    return registry


def _samples(registry: CollectorRegistry) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_they_are_those_of_the_instrumentator(ours: CollectorRegistry) -> None:
    assert _samples(ours) == _samples(_of_the_library())


def test_a_client_that_went_away_is_counted() -> None:
    registry = CollectorRegistry()
    HttpMetrics(registry).observe("GET", "/v1/a", 0, received=0, sent=0, seconds=0.1)
    labels = {"method": "GET", "status": "4xx", "handler": "/v1/a"}
    assert registry.get_sample_value("http_requests_total", labels) == 1


def test_a_second_application_of_the_process_counts_for_itself(ours: CollectorRegistry) -> None:
    before = _samples(ours)
    HttpMetrics(ours).observe("GET", "/v1/c", 200, received=0, sent=0, seconds=0.1)
    assert _samples(ours) == before
