"""Request bodies, before anything is done with them: what every part behind can hold.

Refused with 400, wherever it stands in the body:

    what is not JSON (RFC 8259): NaN, broken UTF-8, half of a surrogate pair, a byte order mark
    what is nested deeper than `MAX_DEPTH`: MongoDB and the JSON writers give up at 100 and 254
    a form with more fields than `MAX_FIELDS`, or in broken UTF-8

and with 422, because it is no text for PostgreSQL: the character NUL.

Of several equal names in an object the last one counts. Integers beyond 64 bits lose precision.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from libs.errors import FieldError, InvalidInput, MalformedBody
from libs.web.pointers import pointer

MAX_DEPTH: Final = 64
MAX_FIELDS: Final = 100

_BRACKETS: Final = (b"[", b"{")


class JsonRequest(Request):
    """A request whose JSON body is parsed here, and not by the framework."""

    _value: Any = None

    async def parse(self) -> None:
        """Read the body, and keep what it holds for `json`.

        Raises:
            MalformedBody: it is no JSON, or nested too deeply.
            InvalidInput: a text in it has a NUL.
        """
        body = await _read(self)
        if not body:  # that it is missing is found later: it may be optional
            return
        try:
            self._value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise MalformedBody(f"The body is not valid JSON ({where}: {error.msg})") from error
        if sum(map(body.count, _BRACKETS)) > MAX_DEPTH:
            _require_shallow(self._value)
        if b"\\u0000" in body:
            refuse_nul(("body", *place) for place in _nul_in(self._value))

    async def json(self) -> Any:
        return self._value


class FormRequest(Request):
    """A request whose URL-encoded form is parsed here.

    The framework's parser is one for uploads, and may take a second for a form of a megabyte.
    """

    _fields: FormData = FormData()

    async def parse(self) -> None:
        """Read the body, and keep what it holds for `form`.

        Raises:
            MalformedBody: it is no form, or has too many fields.
            InvalidInput: a text in it has a NUL.
        """
        try:
            text = (await _read(self)).decode("ascii")
            fields = parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
            )
        except ValueError as error:
            raise MalformedBody("The body is not a form, or one of too many fields") from error
        refuse_nul(("body", name) for name, value in fields if "\0" in name + value)
        kept: list[tuple[str, UploadFile | str]] = [*fields]
        self._fields = FormData(kept)

    async def form(self, **_: Any) -> FormData:  # type: ignore[override]
        return self._fields


async def _read(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:  # nobody is there to be answered
        raise MalformedBody("The body was not sent to its end") from error


def refuse_nul(places: Iterable[tuple[object, ...]]) -> None:
    """Refuse the NULs at these places, if there are any."""
    found = [FieldError(pointer(place), "nul_character", "Must not have a NUL") for place in places]
    if found:
        raise InvalidInput("A text has the character NUL", errors=found)


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (child for parent in level for _, child in _children(parent))
        level = [child for child in inner if isinstance(child, dict | list)]
        if not level:
            return
    raise MalformedBody(f"The body is nested deeper than {MAX_DEPTH} levels")


def _nul_in(value: Any, *place: object) -> Iterator[tuple[object, ...]]:
    if isinstance(value, str) and "\0" in value:
        yield place
    for name, child in _children(value):
        if isinstance(name, str) and "\0" in name:
            yield (*place, name)
        yield from _nul_in(child, *place, name)


def _children(value: Any) -> Iterable[tuple[object, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()
