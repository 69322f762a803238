"""What the OpenAPI document says of problems and headers: the same for all operations."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from libs.errors import AppError, InvalidInput
from libs.web.problems import status_of, type_of

_CONTEXT_ID: Final = "0198c5d4-7a10-7c3e-9b2f-5d1e8a4c6f70"
_CONTEXT_ID_FORM: Final = r"^[A-Za-z0-9._-]{8,64}$"


class Mistake(BaseModel):
    """One thing wrong with the request."""

    pointer: str = Field(
        description="Where: a JSON pointer into the body, or `/query/…`, `/header/…`, `/path/…`"
    )
    code: str = Field(description="What kind of mistake, for programs")
    detail: str = Field(description="The same for people")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(alias_generator=to_camel)

    type: str = Field(
        description="`urn:throughline:problem:` and the code", json_schema_extra={"format": "uri"}
    )
    title: str = Field(description="The same for every occurrence, for people")
    status: int = Field(ge=400, le=599, description="The status of the answer")
    detail: str = Field(description="This occurrence, for people")
    instance: str = Field(description="The path of the request")
    code: str = Field(description="For programs; `throughline errors` lists all of them")
    context_id: str = Field(
        description="Leads to this request in the logs; the same as in `X-Context-Id`",
        pattern=_CONTEXT_ID_FORM,
    )
    errors: list[Mistake] = Field([], description="The single mistakes, where they are known")


def _schemas() -> dict[str, Any]:
    own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    del own["properties"]["errors"]["default"]  # it is left out then
    return {**own.pop("$defs"), Problem.__name__: own}


SCHEMAS: Final[Mapping[str, Any]] = _schemas()
"""By name."""

HEADERS: Final[Mapping[str, Any]] = {
    "X-Context-Id": {
        "description": "Leads to this request in the logs; the client's own if it sent one",
        "required": True,
        "schema": {"type": "string", "pattern": _CONTEXT_ID_FORM},
        "example": _CONTEXT_ID,
    },
    "RateLimit-Policy": {
        "description": "How many requests (`q`) are answered in how many seconds (`w`), unless"
        " limits are switched off",
        "schema": {"type": "string"},
        "example": '"principal";q=6000;w=60',
    },
    "RateLimit": {
        "description": "How many more requests (`r`) are answered within how many seconds (`t`)",
        "schema": {"type": "string"},
        "example": '"principal";r=5987;t=42',
    },
    "ETag": {
        "description": "The version that is answered, for `If-Match` and `If-None-Match`",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the new resource is",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": f"/v1/orders/{_CONTEXT_ID}",
    },
    "Link": {
        "description": "Where the next page is (RFC 8288); none on the last one",
        "schema": {"type": "string"},
        "example": '</v1/orders?limit=20&cursor=JhP3>; rel="next"',
    },
    "Idempotency-Replayed": {
        "description": "`true` if the answer is that to an earlier request with this key",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "Retry-After": {
        "description": "Seconds after which it makes sense to try again",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750)",
        "required": True,
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}
"""By name."""

LIMITS: Final = ("RateLimit-Policy", "RateLimit")
OF_ALL: Final = ("X-Context-Id", *LIMITS)
"""The names of the headers of all answers of modules."""

OF_PROBLEMS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    504: ("Retry-After",),
}
"""The names of the headers that problems of a status have beside `X-Context-Id`."""


def problem(error: type[AppError]) -> dict[str, Any]:
    """A problem that says `error`."""
    shown: dict[str, Any] = {
        "type": type_of(error),
        "title": error.title,
        "status": status_of(error),
        "detail": error.title,
        "instance": "/v1/orders",
        "code": error.code,
        "contextId": _CONTEXT_ID,
    }
    mistake = {
        "pointer": "/lines/0/quantity",
        "code": "greater_than_equal",
        "detail": "Input should be greater than or equal to 1",
    }
    return {**shown, "errors": [mistake]} if error is InvalidInput else shown
