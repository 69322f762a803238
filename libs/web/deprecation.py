"""Routes that will go: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and where to go instead.

    @routes.get(PATH, dependencies=[guard, deprecated(since=..., sunset=..., successor="/v2/...")])

A router may have it among its dependencies too: then it is meant for all its routes. The policy is
in `docs/api-versioning.md`.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any

from fastapi import Depends


class Deprecation:
    """A dependency that does nothing: what answers, and the OpenAPI document, look for it.

    Attributes:
        sunset: the day on which the route may be taken away.
        headers: of every answer of the route.
    """

    def __init__(self, *, since: date, sunset: date, successor: str) -> None:
        if sunset <= since:
            raise ValueError("a route cannot end before it is deprecated")
        self.sunset = sunset
        self.headers: Mapping[str, str] = {
            "Deprecation": f"@{int(_midnight(since).timestamp())}",
            "Sunset": format_datetime(_midnight(sunset), usegmt=True),
            "Link": f'<{successor}>; rel="successor-version"',
        }

    async def __call__(self) -> None:
        return None


def deprecated(*, since: date, sunset: date, successor: str) -> Any:
    """Marks a route as deprecated since a day, and gone after another.

    Args:
        since: the day from which on it should not be used any more.
        sunset: the day on which it may be taken away.
        successor: the path to use instead.
    """
    return Depends(Deprecation(since=since, sunset=sunset, successor=successor))


def of(route: object) -> Deprecation | None:
    """What is said of a route's end, if anything is."""
    calls = (depends.dependency for depends in getattr(route, "dependencies", ()))
    return next((call for call in calls if isinstance(call, Deprecation)), None)


def headers(route: object) -> Mapping[str, str]:
    """The headers that tell of a route's end; none if it has none."""
    found = of(route)
    return {} if found is None else found.headers


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
