from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.db.query_log import NAMES_KEPT, SERIES_KEPT, QueryLog, statement_name


@dataclass
class Query:
    query: str
    elapsed: float = 0.001
    exception: BaseException | None = None


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("/* orders.insert */ INSERT INTO orders VALUES ($1)", "orders.insert"),
        ("\n  /*orders.of_customer*/\nSELECT 1", "orders.of_customer"),
        ('SELECT "id","note" FROM "orders" WHERE "id"=$1', "select orders"),
        ('SELECT o.id FROM "api"."orders" AS o', "select orders"),
        ("select count(*) from only orders", "select orders"),
        ("SELECT 1", "select"),
        ('INSERT INTO "users" ("email") VALUES ($1)', "insert users"),
        ("insert into auth.users values ($1)", "insert users"),
        ('UPDATE "orders" SET "note"=$1', "update orders"),
        ('DELETE FROM "orders" WHERE "id"=$1', "delete orders"),
        ("WITH new AS (INSERT INTO orders VALUES ($1)) SELECT * FROM new", "with"),
        ("BEGIN;", "begin"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE;", "begin"),
        ("COMMIT;", "commit"),
        ("ROLLBACK;", "rollback"),
        ("SAVEPOINT __asyncpg_savepoint_1__;", "savepoint"),
        ("RELEASE SAVEPOINT __asyncpg_savepoint_1__;", "release"),
        ("ROLLBACK TO __asyncpg_savepoint_1__;", "rollback to savepoint"),
        ("hunter2 FROM secrets", "other"),
        ("", "other"),
    ],
)
def test_a_statement_has_a_name(sql: str, name: str) -> None:
    assert statement_name(sql) == name


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'from hunter2'",
        "SELECT $$ from hunter2 $$",
        "SELECT $q$ from hunter2 $q$",
        "SELECT 1 -- from hunter2",
        "SELECT 1 /* from hunter2 */",
        "/* password is hunter2 */ SELECT 1",
        "/* hunter2@example.com */ SELECT 1",
        "SELECT * FROM users WHERE password = 'hunter2'",
        "UPDATE users SET password = 'hunter2'",
        "SET password_of_mine = 'hunter2'",
        "ALTER ROLE x PASSWORD 'hunter2'",
    ],
)
def test_a_name_holds_no_literal(sql: str) -> None:
    assert "hunter2" not in statement_name(sql)


def test_the_memory_of_names_is_bounded() -> None:
    for number in range(NAMES_KEPT + 100):
        statement_name(f"SELECT {number}")
    assert statement_name.cache_info().currsize == NAMES_KEPT


def test_a_statement_is_a_line_without_its_text(lines: list[Any]) -> None:
    QueryLog("orders", slow_query_ms=200)(Query("SELECT 1 FROM orders", elapsed=0.0123456))
    assert lines == [
        {
            "event": "db.query",
            "log_level": "info",
            "statement": "select orders",
            "durationMs": 12.346,
        }
    ]


def test_a_slow_statement_is_a_warning(lines: list[Any]) -> None:
    QueryLog("orders", slow_query_ms=200)(Query("COMMIT;", elapsed=0.2))
    assert lines[0]["log_level"] == "warning"
    assert lines[0]["slow"] is True


def test_a_failed_statement_is_a_warning_with_the_class_of_the_error(lines: list[Any]) -> None:
    error = asyncpg.QueryCanceledError("hunter2")
    QueryLog("orders", slow_query_ms=200)(Query("COMMIT;", exception=error))
    assert lines[0]["log_level"] == "warning"
    assert lines[0]["error"] == "QueryCanceledError"
    assert "hunter2" not in str(lines)


def test_a_violated_constraint_is_no_cause_for_alarm(lines: list[Any]) -> None:
    QueryLog("orders", slow_query_ms=200)(
        Query("INSERT INTO orders VALUES (1)", exception=asyncpg.UniqueViolationError("x"))
    )
    assert lines[0]["log_level"] == "info"
    assert lines[0]["error"] == "UniqueViolationError"


def test_a_statement_is_measured(lines: list[Any]) -> None:
    QueryLog("measured", slow_query_ms=200)(Query("SELECT 1 FROM orders", elapsed=0.004))
    labels = {"module": "measured", "statement": "select orders"}
    assert REGISTRY.get_sample_value("db_query_duration_seconds_count", labels) == 1
    assert REGISTRY.get_sample_value("db_query_duration_seconds_sum", labels) == 0.004


def test_the_number_of_series_is_bounded(lines: list[Any]) -> None:
    log = QueryLog("bounded", slow_query_ms=200)
    for number in range(SERIES_KEPT + 3):
        log(Query(f"/* statement.{number} */ SELECT 1"))
    log(Query("/* statement.0 */ SELECT 1"))

    def count(statement: str) -> float | None:
        labels = {"module": "bounded", "statement": statement}
        return REGISTRY.get_sample_value("db_query_duration_seconds_count", labels)

    assert count("other") == 3
    assert count("statement.0") == 2
    assert count(f"statement.{SERIES_KEPT}") is None
