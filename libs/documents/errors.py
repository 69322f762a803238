"""The one place where the driver's errors become ours, and what else can go wrong."""

from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from libs.errors import Conflict, Unavailable

OUTAGES: tuple[type[PyMongoError], ...] = (
    ConnectionFailure,  # and with it AutoReconnect, NotPrimaryError, WaitQueueTimeoutError
    ServerSelectionTimeoutError,
    NetworkTimeout,
    ExecutionTimeout,
    WTimeoutError,
)
"""What says that MongoDB cannot serve us now. Everything else is a repository's to translate, such
as `DuplicateKeyError`, or a defect."""


def translate(_: PyMongoError) -> Unavailable:
    """Our error for one of `OUTAGES`; its message names hosts and is left out."""
    return Unavailable("the document database is not available", retry_after=1.0)


class IndexDrift(Conflict):
    code = "documents.index_drift"
    title = "An index differs from what is declared under its name"
