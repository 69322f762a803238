"""A line and a measurement for every statement that goes to PostgreSQL, without its parameters.

A statement is known by name: that of its leading comment (`/* orders.insert */ INSERT ...`), or
else its verb and table. Nothing that could be a literal ever gets into a name.
"""

import re
from functools import lru_cache
from typing import Protocol

import asyncpg
from prometheus_client import Histogram

from libs.logging import get_logger

DURATION = Histogram(
    "db_query_duration_seconds",
    "How long statements took, as the client sees it",
    ["module", "statement"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

NAMES_KEPT = 2048
"""So many statements' names are remembered, the most recently used ones."""

SERIES_KEPT = 500
"""So many statements of a module are measured apart; any beyond are counted as "other"."""

_log = get_logger()

_NAMED = re.compile(r"\s*/\*\s*([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})\s*\*/")
_LITERAL = re.compile(r"'|\$(?:[A-Za-z_]\w*)?\$|--|/\*")
_TO_SAVEPOINT = re.compile(r"\s*rollback\s+to\b", re.IGNORECASE)
_VERB = re.compile(r"\s*([A-Za-z]+)")
_IDENTIFIER = r'(?:"?\w+"?\s*\.\s*)?"?(\w+)"?'
_TABLE = {
    "select": re.compile(rf"\bfrom\s+(?:only\s+)?{_IDENTIFIER}", re.IGNORECASE),
    "insert": re.compile(rf"\binto\s+{_IDENTIFIER}", re.IGNORECASE),
    "update": re.compile(rf"\bupdate\s+(?:only\s+)?{_IDENTIFIER}", re.IGNORECASE),
    "delete": re.compile(rf"\bfrom\s+(?:only\s+)?{_IDENTIFIER}", re.IGNORECASE),
}
_OTHER_VERBS = frozenset(
    {"alter", "analyze", "begin", "call", "comment", "commit", "copy", "create", "do", "drop"}
    | {"explain", "grant", "listen", "lock", "notify", "refresh", "reindex", "release", "reset"}
    | {"revoke", "rollback", "savepoint", "set", "show", "truncate", "unlisten", "vacuum"}
    | {"values", "with"}
)


class LoggedQuery(Protocol):
    """What asyncpg tells of a statement that it has run."""

    @property
    def query(self) -> str: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def exception(self) -> BaseException | None: ...


@lru_cache(maxsize=NAMES_KEPT)
def statement_name(sql: str) -> str:
    """What a statement is called in logs and metrics.

    >>> statement_name("/* orders.insert */ INSERT INTO orders ...")
    'orders.insert'
    >>> statement_name('SELECT "id" FROM "orders" WHERE ...')
    'select orders'
    >>> statement_name("COMMIT;")
    'commit'
    """
    if named := _NAMED.match(sql):
        return named[1]
    code = _LITERAL.split(sql, maxsplit=1)[0]
    verb_found = _VERB.match(code)
    verb = verb_found[1].lower() if verb_found else ""
    if verb in _TABLE:
        table = _TABLE[verb].search(code)
        return f"{verb} {table[1]}" if table else verb
    if _TO_SAVEPOINT.match(code):
        return "rollback to savepoint"
    return verb if verb in _OTHER_VERBS else "other"


class QueryLog:
    """Writes `db.query` lines for one module's connections.

    asyncpg schedules it (`call_soon`) in a copy of the context of the task that ran the statement,
    so that each line has the right contextId.
    """

    def __init__(self, module: str, *, slow_query_ms: float) -> None:
        self._module = module
        self._slow_ms = slow_query_ms
        self._series: dict[str, Histogram] = {}  # asking prometheus_client each time is dear

    def __call__(self, record: LoggedQuery) -> None:
        name = statement_name(record.query)
        (self._series.get(name) or self._add_series(name)).observe(record.elapsed)
        duration = round(record.elapsed * 1000, 3)
        slow = duration >= self._slow_ms
        if record.exception is None and not slow:
            _log.info("db.query", statement=name, durationMs=duration)
            return
        more: dict[str, bool | str] = {"slow": True} if slow else {}
        if record.exception is not None:
            more["error"] = type(record.exception).__name__
        # a violated constraint is for the repository to judge: often it is no trouble at all
        expected = isinstance(record.exception, asyncpg.IntegrityConstraintViolationError)
        write = _log.info if expected and not slow else _log.warning
        write("db.query", statement=name, durationMs=duration, **more)

    def _add_series(self, name: str) -> Histogram:
        if len(self._series) >= SERIES_KEPT:
            name = "other"
        series = DURATION.labels(self._module, name)
        if len(self._series) < SERIES_KEPT:
            self._series[name] = series
        return series
