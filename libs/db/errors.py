"""The one place where the driver's errors become ours.

    asyncpg                                                      becomes
    ├── no connection, no resources, shut down, timed out,       libs.errors.Unavailable (retry)
    │   lock not available, plan out of date
    ├── serialization failure, deadlock                          LostRace (retry)
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

from libs.errors import AppError, LostRace, Unavailable

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

_LOST: Final = (
    pg.PostgresConnectionError,
    pg.AdminShutdownError,
    pg.CrashShutdownError,
    pg.IdleInTransactionSessionTimeoutError,
    pg.TransactionTimeoutError,
)

# asyncpg uses one class for a connection that is lost and for a mistake of the caller's. Once the
# server has said why it ends a connection, and until the connection is seen to end, it is an
# internal error to use it.
_NEVER_SENT: Final = (
    (asyncpg.InterfaceError, ("connection is closed", "has been released back")),
    (asyncpg.InternalClientError, ("cannot switch to", "in an unexpected state")),
)
_CLOSED: Final = (asyncpg.InterfaceError, ("pool is clos",))


def translate(error: Exception) -> AppError | BaseORMException:
    """What to raise in place of the driver's `error`; `raise translate(e) from e`."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None
    if isinstance(error, UNAVAILABLE) or never_sent(error) or _says(error, *_CLOSED):
        return Unavailable("The database is not available", retry_after=RETRY_AFTER_S)
    if isinstance(error, CONFLICT):
        return LostRace(retry_after=RETRY_AFTER_S)
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


def is_lost(error: BaseException | None) -> bool:
    """Whether the driver's `error` says that the connection is gone, in the middle or before."""
    return isinstance(error, _LOST) or never_sent(error)


def never_sent(error: BaseException | None) -> bool:
    """Whether it says that the connection was gone before the statement could be sent."""
    return any(_says(error, kind, parts) for kind, parts in _NEVER_SENT)


def _says(error: BaseException | None, kind: type[Exception], parts: tuple[str, ...]) -> bool:
    return isinstance(error, kind) and any(part in str(error) for part in parts)
