"""The one place where the driver's errors become ours.

    asyncpg                                                      becomes
    ├── no connection, no resources, shut down, timed out,       libs.errors.Unavailable (retry)
    │   lock not available, plan out of date
    ├── serialization failure, deadlock                          libs.errors.Conflict
    ├── integrity constraint violated                            tortoise IntegrityError: the
    │                                                            repository says what it means
    ├── transaction in a wrong state                             tortoise TransactionManagementError
    └── anything else: a defect                                  tortoise OperationalError

No class of asyncpg's leaves this package. Neither does a value: PostgreSQL's DETAIL quotes rows,
and a data error quotes the datum; both are taken out, because an exception's text ends in a log.
"""

from typing import Final

import asyncpg
from asyncpg import exceptions as pg
from tortoise.exceptions import (
    BaseORMException,
    IntegrityError,
    OperationalError,
    TransactionManagementError,
)

from libs.errors import AppError, Conflict, Unavailable

RETRY_AFTER_S: Final = 1.0

DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # the address cannot be reached; TimeoutError is one: no connection in time
)

UNAVAILABLE: Final = (
    pg.PostgresConnectionError,
    pg.InsufficientResourcesError,
    pg.OperatorInterventionError,  # a statement time-out is one: QueryCanceledError
    pg.PostgresSystemError,
    pg.LockNotAvailableError,
    pg.IdleInTransactionSessionTimeoutError,
    pg.TransactionTimeoutError,
    pg.ReadOnlySQLTransactionError,  # a fail-over is under way: this is the replica
    pg.InvalidAuthorizationSpecificationError,  # the password is being rotated, or wrong
    pg.InvalidCatalogNameError,
    pg.InvalidCachedStatementError,  # a migration has just changed the table
    pg.OutdatedSchemaCacheError,
    pg.ProtocolError,
    OSError,
)

CONFLICT: Final = (pg.TransactionRollbackError,)

_LOST = ("connection is closed", "pool is clos", "has been released back")


def translate(error: Exception) -> AppError | BaseORMException:
    """What to raise in place of the driver's `error`; `raise translate(e) from e`."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None
    if isinstance(error, UNAVAILABLE) or _is_lost(error):
        return Unavailable("The database is not available", retry_after=RETRY_AFTER_S)
    if isinstance(error, CONFLICT):
        return Conflict("The data were changed by someone else at the same time")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return IntegrityError(error)
    if isinstance(error, asyncpg.InvalidTransactionStateError):
        return TransactionManagementError(error)
    if quotes_values(error):
        return OperationalError(f"{type(error).__name__}: a value does not fit its type")
    return OperationalError(error)


def quotes_values(error: BaseException) -> bool:
    """Whether the text of the driver's `error` holds parameters, so that it must not be shown."""
    return isinstance(error, pg.DataError | asyncpg.DataError)


def constraint(error: IntegrityError) -> str | None:
    """The name of the constraint that was violated, for a repository to tell what happened."""
    cause = error.args[0] if error.args else None
    name = getattr(cause, "constraint_name", None)
    return str(name) if name is not None else None


def _is_lost(error: Exception) -> bool:
    # asyncpg uses one class for a lost connection and for a mistake of the caller's
    return isinstance(error, asyncpg.InterfaceError) and any(s in str(error) for s in _LOST)
