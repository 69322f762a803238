"""Lists in pages: opaque keyset cursors and the answer `{"items": [...], "nextCursor": ...}`.

A cursor is the position of the last item of a page, and a digest of what the page was a page of:
the list, its order, its filters. A cursor that is used with other filters is refused, because its
position would mean something else there. It is no secret and grants nothing: who may see which
items is decided again for every page.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from libs.errors import FieldError, InvalidInput
from libs.schema import Schema

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 1024

T = TypeVar("T")
P = TypeVar("P")

Limit = Annotated[
    int, Field(ge=1, le=MAX_LIMIT, description="The most items that the page may have")
]
Cursor = Annotated[
    str,
    Field(max_length=MAX_CURSOR_LENGTH, description="`nextCursor` of the page before this one"),
]


class InvalidCursor(InvalidInput):
    code = "invalid_cursor"
    title = "The cursor is not one of this list with these filters"


class Page(Schema, Generic[T]):
    """A part of a list, for the OpenAPI document."""

    items: tuple[T, ...]
    next_cursor: str | None = Field(description="Gives the next page; null on the last one")


class Cursors(Generic[P]):
    """The cursors of one list.

    Args:
        order: names the list and its order; a change of it makes all cursors foreign.
        position: the type of a position: what JSON can hold of it is checked against this.
    """

    def __init__(self, order: str, position: type[P]) -> None:
        self._order = order
        self._position: TypeAdapter[P] = TypeAdapter(position)

    def write(self, position: P, filters: Mapping[str, object]) -> str:
        """The cursor after the item at `position` of the list with these filters."""
        values = self._position.dump_python(position, mode="json")
        text = orjson.dumps([values, self._binding(filters)])
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    def read(self, cursor: str | None, filters: Mapping[str, object]) -> P | None:
        """The position that the page starts after; None: it is the first.

        Raises:
            InvalidCursor: the cursor is broken, or belongs to another list or other filters.
        """
        if cursor is None:
            return None
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            values, binding = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
            if binding != self._binding(filters):
                raise _invalid()
            return self._position.validate_json(orjson.dumps(values), strict=True)
        except (binascii.Error, ValidationError, ValueError, TypeError, OverflowError) as error:
            raise _invalid() from error

    def _binding(self, filters: Mapping[str, object]) -> str:
        bound = orjson.dumps([self._order, filters], option=orjson.OPT_SORT_KEYS, default=str)
        return hashlib.sha256(bound).hexdigest()[:16]


def _invalid() -> InvalidCursor:
    wrong = FieldError("/query/cursor", InvalidCursor.code, "Start again without a cursor")
    return InvalidCursor(errors=[wrong])


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """A page out of up to `limit` + 1 rows, and its last row if there is a page after it."""
    return (rows[:limit], rows[limit - 1]) if len(rows) > limit else (rows, None)


def render(items: Sequence[Any], next_cursor: str | None) -> bytes:
    """The page as JSON. Items are what orjson writes, `orjson.Fragment`s among it."""
    return orjson.dumps({"items": items, "nextCursor": next_cursor})
