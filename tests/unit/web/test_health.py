"""Liveness, readiness, health and meta."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from libs.module import Check
from libs.web import health as health_module
from libs.web.health import CACHE_S, PROBE_LIMIT_S, Health
from tests.unit.conftest import Logged
from tests.unit.web.app import client, health


class Probe:
    """A dependency that can be told what to answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None
        self.wait: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    async def __call__(self) -> None:
        self.asked += 1
        await self.wait()
        if self.failure is not None:
            raise self.failure


def _check(name: str, probe: Probe, *, critical: bool = True) -> Check:
    return Check(name=name, probe=probe, critical=critical)


async def _ask(state: Health, path: str) -> tuple[int, dict[str, Any]]:
    async with client(state=state) as http:
        answer = await http.get(path)
    return answer.status_code, answer.json()


async def test_all_is_well() -> None:
    state = health(_check("database", Probe()), _check("cache", Probe(), critical=False))
    status, report = await _ask(state, "/health/ready")
    assert (status, report["status"]) == (200, "up")
    assert "reason" not in report
    dependency = report["dependencies"]["database"]
    assert dependency.pop("latencyMs") >= 0
    assert dependency == {"status": "up", "critical": True}
    assert report["dependencies"]["cache"]["critical"] is False


async def test_without_a_critical_dependency_it_is_down() -> None:
    probe = Probe()
    probe.failure = ConnectionError("postgresql://user:planted@db")
    state = health(_check("database", probe), _check("cache", Probe(), critical=False))
    status, report = await _ask(state, "/health/ready")
    assert (status, report["status"]) == (503, "down")
    assert report["dependencies"]["database"]["status"] == "down"
    assert report["dependencies"]["database"]["error"] == "ConnectionError"
    assert report["dependencies"]["cache"]["status"] == "up"
    assert "planted" not in str(report)


async def test_without_an_informational_one_it_is_degraded_and_ready() -> None:
    probe = Probe()
    probe.failure = ConnectionError()
    state = health(_check("database", Probe()), _check("cache", probe, critical=False))
    status, report = await _ask(state, "/health/ready")
    assert (status, report["status"]) == (200, "degraded")


async def test_the_summary_is_always_200_and_tells_the_same() -> None:
    probe = Probe()
    probe.failure = ConnectionError()
    status, report = await _ask(health(_check("database", probe)), "/health")
    assert (status, report["status"], report["version"]) == (200, "down", "1.2.3")


@pytest.mark.parametrize(
    ("started", "stopping", "reason"),
    [(False, False, "starting"), (True, True, "stopping"), (False, True, "stopping")],
)
async def test_it_is_not_ready_before_its_start_and_after_its_end(
    started: bool, stopping: bool, reason: str
) -> None:
    state = health(_check("database", Probe()), started=started, stopping=stopping)
    status, report = await _ask(state, "/health/ready")
    assert (status, report["status"], report["reason"]) == (503, "down", reason)


async def test_it_is_alive_whatever_happens_and_asks_nobody() -> None:
    probe = Probe()
    probe.failure = ConnectionError()
    state = health(_check("database", probe), started=False, stopping=True)
    assert await _ask(state, "/health/live") == (200, {"status": "up"})
    assert probe.asked == 0


async def test_a_slow_dependency_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROBE_LIMIT_S == 2.0
    monkeypatch.setattr(health_module, "PROBE_LIMIT_S", 0.05)
    slow = Probe()
    slow.wait = lambda: asyncio.sleep(60)
    _, report = await _ask(health(_check("slow", slow), _check("fast", Probe())), "/health/ready")
    assert report["dependencies"]["slow"]["error"] == "TimeoutError"
    assert report["dependencies"]["slow"]["latencyMs"] >= 40
    assert report["dependencies"]["fast"]["status"] == "up"


async def test_dependencies_are_asked_at_the_same_time() -> None:
    meeting = asyncio.Barrier(3)
    probes = [Probe(), Probe(), Probe()]
    for probe in probes:
        probe.wait = meeting.wait
    state = health(*(_check(str(number), probe) for number, probe in enumerate(probes)))
    _, report = await _ask(state, "/health/ready")
    assert report["status"] == "up"


async def test_an_answer_is_kept_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CACHE_S == 1.0
    now = time.monotonic()
    monkeypatch.setattr("libs.web.health.time.monotonic", lambda: now)
    probe = Probe()
    state = health(_check("database", probe))
    await asyncio.gather(*(state.report() for _ in range(20)))
    assert probe.asked == 1
    now += 0.99
    await state.report()
    assert probe.asked == 1
    now += 0.01
    await state.report()
    assert probe.asked == 2


async def test_stopping_shows_at_once_though_answers_are_kept() -> None:
    state = health(_check("database", Probe()))
    assert (await state.report())["status"] == "up"
    state.stopping = True
    assert (await state.report())["status"] == "down"


async def test_changes_are_logged_once(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "CACHE_S", 0)
    probe = Probe()
    state = health(_check("database", probe))
    await state.report()
    probe.failure = ConnectionError("planted")
    await state.report()
    await state.report()
    probe.failure = None
    await state.report()
    changes = [(line["dependency"], line["error"]) for line in logged.lines("health.changed")]
    assert changes == [("database", "ConnectionError"), ("database", None)]


async def test_meta_tells_what_runs() -> None:
    status, told = await _ask(health(), "/meta")
    assert status == 200
    assert told.pop("uptimeSeconds") >= 0
    assert told.pop("startedAt").endswith("Z")
    assert told == {
        "name": "throughline",
        "version": "1.2.3",
        "commit": "abc1234",
        "environment": "test",
        "modules": ["shop"],
    }


async def test_metrics_are_in_the_openmetrics_format() -> None:
    async with client() as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
