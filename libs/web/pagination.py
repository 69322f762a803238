"""Lists in pages: opaque keyset cursors and the answer `{"items": [...], "nextCursor": ...}`.

A cursor is the position of the last item of a page, signed together with what the page was a page
of: the list, its order, its filters. One that is used with other filters, or that somebody made up,
is refused: its position would mean nothing there. It is no secret and grants nothing: who may see
which items is decided again for every page.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from libs.errors import FieldError, InvalidInput
from libs.schema import Schema

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 1024

_SIGNATURE_BYTES: Final = 16

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
    next_cursor: str | None = Field(
        description="Gives the next page; null on the last one", examples=["u3ZK0p9kq1s5JhP3WyIy"]
    )


class Cursors(Generic[P]):
    """The cursors of one list.

    Args:
        order: names the list and its order; a change of it makes all cursors foreign.
        position: the type of a position: what JSON can hold of it is checked against this.
        key: what cursors are signed with.
    """

    def __init__(self, order: str, position: type[P], key: bytes) -> None:
        self._order = order
        self._position: TypeAdapter[P] = TypeAdapter(position)
        self._key = key

    def write(self, position: P, filters: Mapping[str, object]) -> str:
        """The cursor after the item at `position` of the list with these filters."""
        text = self._position.dump_json(position)
        return base64.urlsafe_b64encode(self._signature(text, filters) + text).rstrip(b"=").decode()

    def read(self, cursor: str | None, filters: Mapping[str, object]) -> P | None:
        """The position that the page starts after; None: it is the first.

        Raises:
            InvalidCursor: the cursor is broken, or belongs to another list or other filters.
        """
        if cursor is None:
            return None
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            signed = base64.b64decode(padded, b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid() from error
        signature, text = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(text, filters)):
            raise _invalid()
        try:
            return self._position.validate_json(text, strict=True)
        except ValidationError as error:  # signed by an earlier release, with the same order's name
            raise _invalid() from error

    def _signature(self, text: bytes, filters: Mapping[str, object]) -> bytes:
        bound = orjson.dumps([self._order, filters], option=orjson.OPT_SORT_KEYS, default=str)
        return hmac.digest(self._key, bound + b"\n" + text, "sha256")[:_SIGNATURE_BYTES]


def _invalid() -> InvalidCursor:
    wrong = FieldError("/query/cursor", InvalidCursor.code, "Start again without a cursor")
    return InvalidCursor(errors=[wrong])


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """A page out of up to `limit` + 1 rows, and its last row if there is a page after it."""
    return (rows[:limit], rows[limit - 1]) if len(rows) > limit else (rows, None)


def render(items: Sequence[Any], next_cursor: str | None) -> bytes:
    """The page as JSON. Items are what orjson writes, `orjson.Fragment`s among it."""
    return orjson.dumps({"items": items, "nextCursor": next_cursor})


def link_next(request: Request, next_cursor: str | None) -> dict[str, str]:
    """The header that leads to the next page (RFC 8288); none on the last one."""
    if next_cursor is None:
        return {}
    query = [(n, v) for n, v in request.query_params.multi_items() if n != "cursor"]
    target = f"{quote(request.url.path)}?{urlencode([*query, ('cursor', next_cursor)])}"
    return {"Link": f'<{target}>; rel="next"'}


def page_response(request: Request, items: Sequence[Any], next_cursor: str | None) -> Response:
    """The answer with a page of a list; see `render`."""
    body = render(items, next_cursor)
    return Response(body, media_type="application/json", headers=link_next(request, next_cursor))
