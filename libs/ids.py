"""Identifiers: UUIDv7 (RFC 9562), so that a new row lands at the end of every index."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new time-ordered id, as the standard library's `UUID`."""
    return _uuid7()


def uuid7_text() -> str:
    """A new id in text, where it is only ever passed on: for a seventh of the price."""
    return str(uuid_utils.uuid7())
