"""Each error of the driver is an outage or it is not: somebody has thought about every one."""

import inspect

import pymongo.errors
import pytest
from pymongo.errors import PyMongoError

from libs.documents.errors import OUTAGES, translate

PASS = {
    "BSONError",
    "BulkWriteError",
    "ClientBulkWriteException",
    "CollectionInvalid",
    "ConfigurationError",
    "CursorNotFound",
    "DocumentTooLarge",
    "DuplicateKeyError",
    "EncryptedCollectionError",
    "EncryptionError",
    "InvalidName",
    "InvalidOperation",
    "InvalidURI",
    "OperationFailure",
    "ProtocolError",
    "PyMongoError",
    "WriteConcernError",
    "WriteError",
}


def _exceptions_of_pymongo() -> list[type[PyMongoError]]:
    found = vars(pymongo.errors).values()
    return [c for c in found if inspect.isclass(c) and issubclass(c, PyMongoError)]


@pytest.mark.parametrize("foreign", _exceptions_of_pymongo())
def test_none_is_forgotten(foreign: type[PyMongoError]) -> None:
    assert issubclass(foreign, OUTAGES) != (foreign.__name__ in PASS)


def test_the_drivers_message_is_kept_from_the_caller() -> None:
    error = translate(pymongo.errors.AutoReconnect("mongo-0.internal:27017: refused"))
    assert "internal" not in error.detail
    assert error.retry_after == 1
