"""The free-form part of a service: any JSON object, within bounds.

The bounds are in the JSON schema too, all but the size in bytes. Names are such as MongoDB keeps
without a meaning of its own. A number beyond 64 bits loses precision, as it does in most readers.
"""

import re
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 5
"""Levels of objects and arrays, the object itself among them."""
MAX_MEMBERS: Final = 100
"""Of one object or array."""

_NAME: Final = r"^[^$.][^.]{0,99}$"
_IS_NAME: Final = re.compile(r"[^$.][^.]{0,99}", re.DOTALL)
_INT64: Final = range(-(2**63), 2**63)

JsonSchema = dict[str, Any]


def bounded(config: dict[str, Any]) -> dict[str, Any]:
    """`config`, with numbers that can be stored.

    Raises:
        PydanticCustomError: it is too large, or has a part that cannot be stored.
    """
    stored: dict[str, Any] = _bounded(config, MAX_DEPTH)
    if len(orjson.dumps(stored)) > MAX_BYTES:
        raise PydanticCustomError("too_large", f"Must have at most {MAX_BYTES} bytes of JSON")
    return stored


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, int) and value not in _INT64:
        return float(value)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise PydanticCustomError("too_deep", f"Must have at most {MAX_DEPTH} levels")
    if len(value) > MAX_MEMBERS:
        problem = f"An object or array in it must have at most {MAX_MEMBERS} members"
        raise PydanticCustomError("too_many_members", problem)
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value]
    if not all(_IS_NAME.fullmatch(name) for name in value):
        problem = "A name in it must have 1 to 100 characters, no dot, and no dollar sign at first"
        raise PydanticCustomError("unfit_name", problem)
    return {name: _bounded(item, depth - 1) for name, item in value.items()}


def _schema() -> JsonSchema:
    scalars = ["string", "boolean", "null", "number"]
    value: JsonSchema = {"type": scalars}
    for _ in range(MAX_DEPTH - 1):
        array = {"items": value, "maxItems": MAX_MEMBERS}
        value = {"type": [*scalars, "array", "object"], **array, **_members(value)}
    return {
        "type": "object",
        "title": "Config",
        "description": f"What is particular to this service: at most {MAX_BYTES} bytes of JSON",
        "examples": [{"unit": "day", "cancellation": {"freeUntilDays": 3}}],
        **_members(value),
    }


def _members(value: JsonSchema) -> JsonSchema:
    return {
        "additionalProperties": value,
        "propertyNames": {"pattern": _NAME},
        "maxProperties": MAX_MEMBERS,
    }


Config = TypeAliasType(
    "Config", Annotated[dict[str, Any], AfterValidator(bounded), WithJsonSchema(_schema())]
)
