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
    return {
        status: {"description": "; ".join(meanings), "content": _CONTENT}
        for status, meanings in sorted(by_status.items())
    }


def describe_problems(document: dict[str, Any]) -> dict[str, Any]:
    """`document`, with the schema that the `responses` of `problems` refer to.

    FastAPI describes its own form of a validation error where a route says nothing of 422; what is
    really answered takes its place.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**own.pop("$defs", {}), Problem.__name__: own}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document.get("paths", {}).values():
        for operation in path.values():
            if "HTTPValidationError" in str(operation.get("responses", {}).get("422")):
                invalid = f"`{errors.InvalidInput.code}`: {errors.InvalidInput.title}"
                operation["responses"]["422"] = {"description": invalid, "content": _CONTENT}
    return document


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
