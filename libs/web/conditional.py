"""Conditional requests (RFC 9110, section 13): entity tags, `If-Match`, `If-None-Match`.

The entity tag of a resource is its version. A change names the version that it is meant for:
without `If-Match` it is refused with 428, with a stale one with 412.

    async def change_thing(thing_id: UUID, change: Change, precondition: IfMatch) -> Response: ...
    # in the use case, inside the unit of work:
    precondition.check(thing.version)
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from libs.errors import (
    AppError,
    FieldError,
    InvalidInput,
    PreconditionFailed,
    PreconditionRequired,
)

CONDITIONAL: Final[tuple[type[AppError], ...]] = (PreconditionRequired, PreconditionFailed)
"""What a route that takes `IfMatch` may answer with."""

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"\s*{_TAG}\s*(?:,\s*{_TAG}\s*)*")
_EACH = re.compile(_TAG)


def etag(version: int) -> dict[str, str]:
    """The header that says which version of a resource is answered."""
    return {"ETag": f'"{version}"'}


@dataclass(frozen=True, slots=True)
class Precondition:
    """The versions that a change is meant for.

    Attributes:
        tags: entity tags; None: any version that there is (`*`).
    """

    tags: frozenset[str] | None = None

    def check(self, version: int) -> None:
        """Compare with the resource's version, strongly: a weak tag never matches.

        Raises:
            PreconditionFailed: it is another one.
        """
        if self.tags is not None and f'"{version}"' not in self.tags:
            raise PreconditionFailed


def matches(if_none_match: str, tag: str) -> bool:
    """Whether the client has the representation with this entity tag already (weak comparison)."""
    if if_none_match.strip() == "*":
        return True
    return tag.removeprefix("W/") in {t.removeprefix("W/") for t in _EACH.findall(if_none_match)}


_Tags = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="The `ETag` of the version that is meant, or `*` for any",
        examples=['"3"'],
        json_schema_extra={"pattern": r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'},
    ),
]


async def required_precondition(request: Request, if_match: _Tags = None) -> Precondition:
    """What the request says in If-Match.

    Raises:
        PreconditionRequired: nothing.
        InvalidInput: something else.
    """
    if if_match is None:
        raise PreconditionRequired("Say in If-Match which version is to be changed: its ETag")
    return _parse(request)


async def _precondition(request: Request, if_match: _Tags = None) -> Precondition:
    return Precondition() if if_match is None else _parse(request)


def _parse(request: Request) -> Precondition:
    given = ", ".join(request.headers.getlist("if-match")).strip()  # several lines are one
    if given == "*":
        return Precondition()
    if not _TAGS.fullmatch(given):
        wrong = FieldError("/header/If-Match", "invalid_entity_tag", 'Must be "*" or entity tags')
        raise InvalidInput(errors=[wrong])
    return Precondition(frozenset(_EACH.findall(given)))


IfMatch = Annotated[Precondition, Depends(required_precondition)]
"""A parameter of a route that changes a resource."""

OptionalIfMatch = Annotated[Precondition, Depends(_precondition)]
"""A parameter of a route that does something with a resource: any version will do, unless said."""
