"""Identifiers: UUIDv7 (RFC 9562), so that a new row lands at the end of every index."""

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new time-ordered id, as the standard library's `UUID`."""
    return _uuid7()
