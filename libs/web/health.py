"""Is it alive, is it ready, what is it.

    /health/live    the event loop turns: a restart would not help
    /health/ready   the critical dependencies answer: send requests
    /health         the same as a summary for people, always 200 while alive
    /meta           version, commit, uptime, environment, modules
    /metrics        for Prometheus; not through the ingress

Dependencies are asked in parallel, with a limit of 2 s each, and at most once a second.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse, Response

from libs.auth.guards import anyone
from libs.logging import get_logger
from libs.module import Check
from libs.observability.metrics import exposition
from libs.schema import Schema, timestamp

log = get_logger()

PROBE_LIMIT_S = 2.0
CACHE_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dependency said."""

    check: Check
    error: str | None
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """As it is shown. The error is a class name: messages may hold addresses and secrets."""
        shown: dict[str, Any] = {
            "status": "down" if self.error else "up",
            "critical": self.check.critical,
            "latencyMs": self.latency_ms,
        }
        return {**shown, "error": self.error} if self.error else shown


async def _ask(check: Check) -> Answer:
    began = time.perf_counter()
    error = None
    try:
        async with asyncio.timeout(PROBE_LIMIT_S):
            await check.probe()
    except Exception as failure:  # noqa: BLE001 (a probe may fail in any way; that is its answer)
        error = type(failure).__name__
    return Answer(check, error, round((time.perf_counter() - began) * 1000, 3))


@dataclass
class Health:
    """The state of the process.

    Attributes:
        checks: the questions of all hosted modules.
        stopping: set on SIGTERM; readiness is false from then on.
    """

    checks: Sequence[Check]
    stopping: bool = False
    started: bool = False
    _answers: list[Answer] = field(default_factory=list)
    _asked_at: float = field(default=float("-inf"))
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answers(self) -> list[Answer]:
        """Every dependency's answer, not older than `CACHE_S`."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= CACHE_S:
                before = {a.check.name: a.error for a in self._answers}
                self._answers = await asyncio.gather(*(_ask(check) for check in self.checks))
                self._asked_at = time.monotonic()
                for answer in self._answers:
                    if answer.error != before.get(answer.check.name):
                        log.warning(
                            "health.changed", dependency=answer.check.name, error=answer.error
                        )
        return self._answers

    async def report(self) -> dict[str, Any]:
        """`status` is "up", "degraded" (an informational dependency is down) or "down"."""
        answers = await self.answers()
        critical = any(a.error and a.check.critical for a in answers)
        down = critical or self.stopping or not self.started
        status = "down" if down else "degraded" if any(a.error for a in answers) else "up"
        report: dict[str, Any] = {"status": status}
        if self.stopping or not self.started:
            report["reason"] = "stopping" if self.stopping else "starting"
        return {**report, "dependencies": {a.check.name: a.to_dict() for a in answers}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What runs here."""

    version: str
    commit: str
    environment: str
    modules: Sequence[str]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """As it is shown."""
        uptime = datetime.now(UTC) - self.started_at
        return {
            "name": "throughline",
            "version": self.version,
            "commit": self.commit,
            "environment": self.environment,
            "modules": list(self.modules),
            "startedAt": timestamp(self.started_at),
            "uptimeSeconds": round(uptime.total_seconds(), 3),
        }


class DependencyView(Schema):
    """What a dependency said."""

    status: Literal["up", "down"]
    critical: bool
    latency_ms: float = Field(examples=[1.25])
    error: str = Field(
        "", description="A class name; only if it is down", examples=["TimeoutError"]
    )


class ReportView(Schema):
    """The state of the process; "degraded": something is down that it can do without."""

    status: Literal["up", "degraded", "down"]
    reason: Literal["starting", "stopping"] = Field("stopping", description="Only while it is so")
    dependencies: dict[str, DependencyView] = Field(
        examples=[{"redis": {"status": "up", "critical": False, "latencyMs": 1.25}}]
    )


class SummaryView(ReportView):
    """The same for people."""

    version: str = Field(examples=["0.1.0"])


class AliveView(Schema):
    """It is alive."""

    status: Literal["up"]


class MetaView(Schema):
    """What runs here."""

    name: Literal["throughline"]
    version: str = Field(examples=["0.1.0"])
    commit: str = Field(examples=["4fd1c7e"])
    environment: str = Field(examples=["production"])
    modules: tuple[str, ...] = Field(examples=[["auth", "api"]])
    started_at: str = Field(json_schema_extra={"format": "date-time"})
    uptime_seconds: float = Field(examples=[86400.5])


def router(health: Health, meta: Meta) -> APIRouter:
    """The operational routes of a process."""
    routes = APIRouter(tags=["operations"], dependencies=[anyone])

    @routes.get("/health", summary="Summary for people", response_model=SummaryView)
    async def get_health() -> Response:
        return JSONResponse({**await health.report(), "version": meta.version})

    @routes.get("/health/live", summary="Liveness", response_model=AliveView)
    async def get_liveness() -> Response:
        return JSONResponse({"status": "up"})

    @routes.get(
        "/health/ready",
        summary="Readiness",
        response_model=ReportView,
        responses={503: {"model": ReportView, "description": "Not ready"}},
    )
    async def get_readiness() -> Response:
        report = await health.report()
        return JSONResponse(report, status_code=503 if report["status"] == "down" else 200)

    @routes.get("/meta", summary="What runs here", response_model=MetaView)
    async def get_meta() -> Response:
        return JSONResponse(meta.to_dict())

    @routes.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return exposition()

    return routes
