"""What is told of a cache: a line and a count for every look-up, and for what goes wrong."""

import time
from typing import Final

from prometheus_client import Counter

from libs.errors import AppError
from libs.logging import get_logger

_QUIET_S: Final = 5.0
_EVENTS: Final = {"hit": "cache.hit", "miss": "cache.miss", "stale": "cache.stale"}

log = get_logger()

lookups_total = Counter("cache_lookups_total", "Cache look-ups", ["namespace", "outcome"])
errors_total = Counter(
    "cache_errors_total",
    "Cache commands and early refreshes that failed",
    ["namespace", "operation"],
)


class Report:
    """Tells of one cache.

    Args:
        namespace: its name.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._counters = {
            outcome: lookups_total.labels(namespace, outcome) for outcome in (*_EVENTS, "error")
        }
        self._quiet_until = 0.0

    def looked_up(self, outcome: str, started: float) -> None:
        """A look-up has ended.

        Args:
            outcome: hit, miss, stale, or error: answered without the store.
            started: in terms of `time.perf_counter()`.
        """
        self._counters[outcome].inc()
        if outcome == "error":
            return  # `cache.error` has been logged, or one like it a moment ago
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        log.info(_EVENTS[outcome], namespace=self._namespace, durationMs=milliseconds)

    def failed(self, operation: str, error: Exception) -> None:
        """The store failed; or the source did, in the background, where nobody else would tell."""
        errors_total.labels(self._namespace, operation).inc()
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _QUIET_S
        detail = {"detail": error.detail} if isinstance(error, AppError) else {}
        cause = type(error.__cause__ or error).__name__
        log.warning(
            "cache.error", namespace=self._namespace, operation=operation, error=cause, **detail
        )

    def caught_up(self, invalidations: int) -> None:
        """The store has taken invalidations that it had not taken before."""
        log.info("cache.caught_up", namespace=self._namespace, invalidations=invalidations)
