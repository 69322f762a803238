"""`Idempotency-Key` over HTTP. What it means is in `libs/db/idempotency.py`."""

from collections.abc import Mapping
from typing import Annotated, Final, Protocol

from fastapi import Header
from starlette.responses import Response

from libs.web.routing import JSON

HEADER: Final = "Idempotency-Key"

_KEY = Header(
    alias=HEADER,
    min_length=1,
    max_length=255,
    pattern=r"^[\x21-\x7e]+$",
    description="Chosen by the client; the same for a request that is sent again",
    examples=["3f8e0f6c-order-1"],
)

IdempotencyKey = Annotated[str, _KEY]
"""A parameter of a route that wants a key."""

OptionalIdempotencyKey = Annotated[str | None, _KEY]
"""A parameter of a route that takes a key; its default is None."""


class Answer(Protocol):
    """What was stored, or is to be stored, with a key: `libs.db.idempotency.Answer`."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def replayed(self) -> bool: ...


def answered(answer: Answer) -> Response:
    """The response; one that was given before says so."""
    replayed = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return Response(answer.body, answer.status, {**answer.headers, **replayed}, JSON)
