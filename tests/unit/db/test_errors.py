"""No class of the driver's gets past the boundary, and those that matter become the right one."""

from collections.abc import Iterator

import asyncpg
import pytest
from asyncpg import exceptions as pg
from tortoise.exceptions import (
    BaseORMException,
    IntegrityError,
    OperationalError,
    TransactionManagementError,
)

from libs.db.errors import DRIVER_ERRORS, constraint, is_lost, never_sent, translate
from libs.errors import AppError, Conflict, LostRace, Unavailable


def descendants(parent: type[Exception]) -> Iterator[type[Exception]]:
    yield parent
    for child in parent.__subclasses__():
        yield from descendants(child)


ALL = sorted(
    {
        error
        for root in (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        for error in descendants(root)
        if error.__module__.startswith("asyncpg")
    },
    key=lambda error: error.__name__,
)


def test_the_walk_finds_the_driver_s_errors() -> None:
    assert len(ALL) > 200


@pytest.mark.parametrize("error", ALL)
def test_none_is_missed(error: type[Exception]) -> None:
    assert issubclass(error, DRIVER_ERRORS)
    assert isinstance(translate(error("text")), AppError | BaseORMException)


@pytest.mark.parametrize(
    "error",
    [
        pg.ConnectionDoesNotExistError,
        pg.ConnectionFailureError,
        pg.ClientCannotConnectError,
        pg.TooManyConnectionsError,
        pg.DiskFullError,
        pg.OutOfMemoryError,
        pg.QueryCanceledError,
        pg.AdminShutdownError,
        pg.CrashShutdownError,
        pg.CannotConnectNowError,
        pg.LockNotAvailableError,
        pg.IdleInTransactionSessionTimeoutError,
        pg.TransactionTimeoutError,
        pg.ReadOnlySQLTransactionError,
        pg.InvalidPasswordError,
        pg.InvalidCatalogNameError,
        pg.InvalidCachedStatementError,
        pg.OutdatedSchemaCacheError,
        TimeoutError,
        ConnectionRefusedError,
        FileNotFoundError,
    ],
)
def test_trouble_with_the_server_is_unavailable(error: type[Exception]) -> None:
    translated = translate(error("text"))
    assert type(translated) is Unavailable
    assert translated.retry_after == 1.0


@pytest.mark.parametrize(
    "message", ["connection is closed", "pool is closing", "pool is closed", "the pool is closed"]
)
def test_a_lost_connection_is_told_from_a_mistake(message: str) -> None:
    assert isinstance(translate(asyncpg.InterfaceError(message)), Unavailable)
    mistake = asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed")
    assert isinstance(translate(mistake), OperationalError)
    assert not is_lost(mistake)


@pytest.mark.parametrize(
    ("error", "unsent"),
    [
        (pg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), False),
        (pg.AdminShutdownError("terminating connection due to administrator command"), False),
        (asyncpg.InterfaceError("cannot perform operation: connection is closed"), True),
        (
            asyncpg.InternalClientError(
                "cannot switch to state 12; another operation (13) is in progress"
            ),
            True,
        ),
        (
            asyncpg.InternalClientError(
                "cannot process message 'E': protocol is in an unexpected state <0>."
            ),
            True,
        ),
    ],
)
def test_what_a_lost_connection_shows_itself_by(error: Exception, unsent: bool) -> None:
    translated = translate(error)
    assert type(translated) is Unavailable
    assert translated.retry_after == 1.0
    assert is_lost(error)
    assert never_sent(error) is unsent


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionRefusedError(),
        pg.QueryCanceledError("x"),
        pg.LockNotAvailableError("x"),
        pg.TooManyConnectionsError("x"),
        pg.CannotConnectNowError("x"),
        asyncpg.InternalClientError("no decoder for OID 1"),
        None,
    ],
)
def test_not_everything_that_fails_is_a_lost_connection(error: Exception | None) -> None:
    assert not is_lost(error)


@pytest.mark.parametrize("error", [pg.SerializationError, pg.DeadlockDetectedError])
def test_a_lost_race_is_a_conflict(error: type[Exception]) -> None:
    translated = translate(error("text"))
    assert type(translated) is LostRace
    assert isinstance(translated, Conflict)
    assert translated.retry_after == 1.0


@pytest.mark.parametrize(
    "error", [pg.UniqueViolationError, pg.ForeignKeyViolationError, pg.CheckViolationError]
)
def test_a_violated_constraint_is_for_the_repository(error: type[Exception]) -> None:
    assert type(translate(error("text"))) is IntegrityError


def test_a_violated_constraint_has_a_name() -> None:
    error = pg.UniqueViolationError("text")
    error.constraint_name = "users_email_key"
    translated = translate(error)
    assert isinstance(translated, IntegrityError)
    assert constraint(translated) == "users_email_key"
    assert constraint(IntegrityError("text")) is None


def test_a_transaction_in_a_wrong_state() -> None:
    assert type(translate(pg.InFailedSQLTransactionError("text"))) is TransactionManagementError


@pytest.mark.parametrize("error", [pg.UndefinedTableError, pg.InsufficientPrivilegeError])
def test_anything_else_is_a_defect(error: type[Exception]) -> None:
    assert type(translate(error("text"))) is OperationalError


def test_the_row_that_a_detail_quotes_is_taken_out() -> None:
    error = pg.NotNullViolationError("null value in column")
    error.detail = "Failing row contains (1, hunter2)."
    assert "hunter2" not in str(translate(error))
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("error", [pg.InvalidTextRepresentationError, asyncpg.DataError])
def test_the_value_that_a_data_error_quotes_is_taken_out(error: type[Exception]) -> None:
    translated = translate(error("invalid input: hunter2"))
    assert type(translated) is OperationalError
    assert str(translated) == f"{error.__name__}: a value does not fit its type"
