"""Errors in the OpenAPI document: what a route may answer with."""

from collections import defaultdict
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from libs import errors
from libs.errors import AppError
from libs.web.problems import MEDIA_TYPE, status_of

ANY_ROUTE: tuple[type[AppError], ...] = (errors.Unavailable, errors.DeadlineExceeded)
"""What every route may answer with."""

GUARDED: tuple[type[AppError], ...] = (errors.Unauthenticated, errors.PermissionDenied)
"""What every route that needs a permission may answer with."""


class Mistake(BaseModel):
    """One thing wrong with the request."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(alias_generator=to_camel)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    context_id: str
    errors: list[Mistake] | None = None


def problems(*specific: type[AppError], guarded: bool = True) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that raises these, beside what every route may raise.

    Args:
        specific: the errors of this route.
        guarded: whether it needs a permission.
    """
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for error in (*specific, *(GUARDED if guarded else ()), *ANY_ROUTE):
        by_status[status_of(error)].append(f"`{error.code}`: {error.title}")
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {
            "model": Problem,
            "description": "; ".join(meanings),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, meanings in sorted(by_status.items())
    }
