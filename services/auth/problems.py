"""The problems of a route, for its description in OpenAPI."""

from typing import Any

from libs.errors import AppError
from libs.web.problems import MEDIA_TYPE, status_of


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with these errors."""
    by_status: dict[int | str, list[str]] = {}
    for error in errors:
        by_status.setdefault(status_of(error), []).append(f"`{error.code}`: {error.title}")
    return {
        status: {
            "description": "; ".join(lines),
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
        }
        for status, lines in by_status.items()
    }
