"""The outbound HTTP client: deadline > retry > breaker > bulkhead > time-out.

Read it from the outside in: the deadline bounds everything, pauses included; each attempt asks the
breaker, then the bulkhead; httpx' time-out bounds the single attempt.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

import httpx
from prometheus_client import Histogram
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from libs.context import DEADLINE_HEADER, current, to_headers, transaction_open
from libs.errors import DeadlineExceeded, Unavailable
from libs.http.breaker import Breaker
from libs.http.failures import FOREIGN, AttemptError, from_exception, from_response
from libs.http.settings import HttpClientSettings
from libs.logging import get_logger

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_LONGEST_PAUSE_S = 1.0

log = get_logger()

duration_seconds = Histogram(
    "http_client_duration_seconds",
    "Attempts of outbound calls, by their outcome",
    ["client", "route", "outcome"],
)

Params = Mapping[str, str | int | float | bool | None]


def _trust(base_url: str) -> ssl.SSLContext | bool:
    """Whom to trust: the usual authorities; nobody, where there is no TLS.

    To read all their certificates for nothing takes 2 MiB.
    """
    return base_url.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, with all its attempts."""

    request: httpx.Request
    route: str
    attempts: int
    deadline: float


class HttpClient:
    """A client of one peer.

    Args:
        name: of the peer, for log, metrics and error details.
        base_url: what each path is appended to.
        settings: its bounds.
        transport: None for the network; `InProcessTransport` for a module in this process;
            `httpx.MockTransport` in unit tests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        settings: HttpClientSettings,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._breaker = Breaker(
            name, failures=settings.breaker_failures, reset_s=settings.breaker_reset_s
        )
        self._bulkhead = asyncio.Semaphore(settings.max_concurrency)
        self._pause = wait_random_exponential(multiplier=settings.backoff_s, max=_LONGEST_PAUSE_S)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport,
            verify=_trust(base_url),
            timeout=settings.timeout_s,
            limits=httpx.Limits(max_connections=settings.max_concurrency),
            trust_env=False,  # settings have one loader
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        route: str,
        params: Params | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> httpx.Response:
        """The peer's answer: any status below 400, or a 4xx without a problem document.

        Args:
            method: in upper case.
            path: from the base URL on, with a leading slash.
            route: the path's template, for log and metrics ("/v1/orders/{id}").
            params: the query; None leaves a parameter out.
            json: the body, of what the standard library's `json` can write.
            form: the body, as application/x-www-form-urlencoded.
            headers: besides those of the context.
            idempotent: whether it may be tried again; None: by the method. Pass True for a POST
                with an idempotency key.

        Raises:
            AppError: the one that the peer answered with, in a problem document.
            Unavailable: no usable answer; with `retry_after` if that is known.
            DeadlineExceeded: no answer before the context's deadline or the client's own.
            RuntimeError: called inside a unit of work.
        """
        if transaction_open.get():
            raise RuntimeError(f"{self.name} is called over HTTP inside a transaction")
        if not path.startswith("/"):
            raise ValueError(f"path must start with a slash: {route}")
        call = self._prepare(method, path, route, params, json, form, headers, idempotent)
        remaining = call.deadline - time.monotonic()
        if remaining <= 0:
            raise DeadlineExceeded(f"no time is left to call {self.name}")
        try:
            async with asyncio.timeout(remaining):
                return await self._with_retries(call)
        except TimeoutError:
            raise DeadlineExceeded(f"{self.name} did not answer in time") from None
        except AttemptError as failure:
            raise failure.error from failure.__cause__

    def _prepare(
        self,
        method: str,
        path: str,
        route: str,
        params: Params | None,
        json: object,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        idempotent: bool | None,
    ) -> _Call:
        query = {k: v for k, v in (params or {}).items() if v is not None}
        try:
            request = self._http.build_request(
                method,
                path,
                params=query or None,
                json=json,
                data=form,
                headers={**(headers or {}), **to_headers()},
            )
        except FOREIGN as foreign:
            raise from_exception(foreign, client=self.name).error from foreign
        repeatable = method in _IDEMPOTENT if idempotent is None else idempotent
        own = time.monotonic() + self._settings.deadline_s
        return _Call(
            request=request,
            route=route,
            attempts=self._settings.attempts if repeatable else 1,
            deadline=min(own, current().deadline or own),
        )

    async def _with_retries(self, call: _Call) -> httpx.Response:
        def too_late(state: RetryCallState) -> bool:
            return time.monotonic() + state.upcoming_sleep >= call.deadline

        def worthwhile(error: BaseException) -> bool:
            return isinstance(error, AttemptError) and error.again and not self._breaker.is_open

        numbers = count(1)

        async def attempt() -> httpx.Response:
            return await self._attempt(call, next(numbers))

        stop = stop_after_attempt(call.attempts)
        retrying = AsyncRetrying(
            stop=lambda state: stop(state) or too_late(state),
            wait=self._wait,
            retry=retry_if_exception(worthwhile),
            reraise=True,
        )
        return await retrying(attempt)

    def _wait(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.error.retry_after if isinstance(failure, AttemptError) else None
        return max(self._pause(state), asked or 0.0)

    async def _attempt(self, call: _Call, number: int) -> httpx.Response:
        started = time.perf_counter()
        try:
            response = await self._breaker.run(lambda: self._within_bulkhead(call))
        except AttemptError as failure:
            self._note(call, number, started, status=failure.status, error=failure.kind)
            raise
        except asyncio.CancelledError:
            late = time.monotonic() >= call.deadline
            self._note(call, number, started, error="deadline" if late else "cancelled")
            raise
        self._note(call, number, started, status=response.status_code)
        return response

    async def _within_bulkhead(self, call: _Call) -> httpx.Response:
        if self._bulkhead.locked():
            error = Unavailable(f"{self.name} has too many calls in progress", retry_after=1.0)
            raise AttemptError(error, kind="bulkhead_full", again=False, outage=False)
        async with self._bulkhead:
            return await self._send(call)

    async def _send(self, call: _Call) -> httpx.Response:
        remaining_ms = max(1, int((call.deadline - time.monotonic()) * 1000))
        call.request.headers[DEADLINE_HEADER] = str(remaining_ms)
        try:
            response = await self._http.send(call.request)
        except FOREIGN as foreign:
            raise from_exception(foreign, client=self.name) from foreign
        failure = from_response(response, client=self.name)
        if failure is not None:
            raise failure
        return response

    def _note(
        self,
        call: _Call,
        number: int,
        started: float,
        *,
        status: int | None = None,
        error: str | None = None,
    ) -> None:
        """One log line and one observation for an attempt."""
        seconds = time.perf_counter() - started
        outcome = f"{status // 100}xx" if status is not None else str(error)
        duration_seconds.labels(self.name, call.route, outcome).observe(seconds)
        fields: dict[str, object] = {
            "client": self.name,
            "method": call.request.method,
            "route": call.route,
            "durationMs": round(seconds * 1000, 3),
            "attempt": number,
        }
        if status is not None:
            fields["status"] = status
        else:
            fields["error"] = error
        if status is not None and status < 500:
            log.info("http.call", **fields)
        else:
            log.warning("http.call", **fields)
