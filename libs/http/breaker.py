"""The circuit breaker: after enough failures in a row, a peer is left alone for a while.

aiobreaker keeps the count and the state. Three things are done here, because it does them wrong or
not at all: its times are naive and compared with local time; half open, it lets every call through
instead of one; and an outcome that says nothing about the peer (a call cancelled, or refused by our
own bulkhead) would count as a success.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from aiobreaker import CircuitBreaker, CircuitBreakerError
from aiobreaker.state import CircuitBreakerState

from libs.errors import Unavailable
from libs.http.failures import AttemptError

_T = TypeVar("_T")


def _utc() -> datetime:
    return datetime.now(UTC)


class _UtcCircuitBreaker(CircuitBreaker):  # type: ignore[misc]
    """aiobreaker's, with times that know their zone."""

    @property
    def opens_at(self) -> datetime | None:
        opened_at: datetime | None = self._state_storage.opened_at
        return opened_at and opened_at + self.timeout_duration

    def open(self) -> None:
        self._state_storage.opened_at = _utc()
        self.state = self._state_storage.state = CircuitBreakerState.OPEN


class Breaker:
    """Lets attempts through, or refuses them at once.

    Args:
        name: of the peer.
        failures: that many outages in a row open it.
        reset_s: after that many seconds one attempt is let through; its outcome decides.
    """

    def __init__(self, name: str, *, failures: int, reset_s: float) -> None:
        self._name = name
        self._circuit = _UtcCircuitBreaker(
            fail_max=failures, timeout_duration=timedelta(seconds=reset_s)
        )
        self._probe = asyncio.Semaphore(1)

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused now."""
        return self._circuit.current_state is CircuitBreakerState.OPEN and self._remaining() > 0

    async def run(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """The result of `attempt`.

        Raises:
            AttemptError: that of the attempt; or a refusal, without an attempt.
        """
        if self.is_open:
            raise self._refusal(self._remaining())
        if self._circuit.current_state is CircuitBreakerState.OPEN:
            self._circuit.half_open()
        if self._circuit.current_state is CircuitBreakerState.CLOSED:
            return await self._observe(attempt)
        if self._probe.locked():
            raise self._refusal(1.0)
        async with self._probe:
            return await self._observe(attempt)

    async def _observe(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        try:
            result = await attempt()
        except AttemptError as failure:
            if failure.outage:
                self._record(failure)
            elif failure.status is not None:  # the peer is well, it did not like the request
                self._record(None)
            raise
        self._record(None)
        return result

    def _record(self, failure: AttemptError | None) -> None:
        if self._circuit.current_state is CircuitBreakerState.OPEN:
            return  # a latecomer: it started before the breaker opened

        def outcome() -> None:
            if failure is not None:
                raise failure

        with suppress(CircuitBreakerError, AttemptError):
            self._circuit.call(outcome)

    def _remaining(self) -> float:
        opens_at = self._circuit.opens_at
        return 0.0 if opens_at is None else max(0.0, (opens_at - _utc()).total_seconds())

    def _refusal(self, retry_after: float) -> AttemptError:
        error = Unavailable(f"{self._name} is not available", retry_after=retry_after)
        return AttemptError(error, kind="breaker_open", again=False, outage=False)
