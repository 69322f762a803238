"""Examples for the OpenAPI document, put together from those of the single fields.

A field's own example comes first, then its default, then that of a field of the same name somewhere
else in the document, then what its type alone says.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

JsonSchema = Mapping[str, Any]

_BY_FORMAT: Final[Mapping[str, str]] = {
    "uuid": "0198c5d4-7a10-7c3e-9b2f-5d1e8a4c6f70",
    "date-time": "2026-01-31T12:00:00.000Z",
    "date": "2026-01-31",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "password": "correct horse battery staple",
}
_BRANCHES: Final = ("anyOf", "oneOf", "allOf")


class Examples:
    """Makes examples of schemas.

    Args:
        schemas: the components of the document that others refer to.
    """

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._by_name: dict[str, str] = {}
        for _, schema in sorted(schemas.items()):
            for name, field in schema.get("properties", {}).items():
                for given in _texts(field):
                    self._by_name.setdefault(name, given)

    def of(self, schema: JsonSchema, name: str = "") -> Any:
        """A value that `schema` admits, if the examples in it are right.

        Args:
            schema: what is wanted.
            name: of the field that holds it.
        """
        schema = resolve(schema, self._schemas)
        for given in ("examples", "enum"):
            if schema.get(given):
                return schema[given][0]
        if "const" in schema:
            return schema["const"]
        if schema.get("default") is not None:
            return schema["default"]
        for branches in _BRANCHES:
            if branches in schema:
                return self.of(_first_that_is_something(schema[branches]), name)
        return self._by_type(schema, name)

    def _by_type(self, schema: JsonSchema, name: str) -> Any:
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            fields = schema.get("properties", {})
            return {inner: self.of(field, inner) for inner, field in fields.items()}
        if kind == "array":
            return [self.of(schema["items"], name)] if "items" in schema else []
        if kind == "string":
            return _BY_FORMAT.get(schema.get("format", "")) or self._by_name.get(name, "text")
        if kind == "integer":  # FastAPI writes bounds as floats
            return int(schema.get("minimum", 1))
        if kind == "number":
            return schema.get("minimum", 1.5)
        return {"boolean": True, "null": None}.get(str(kind), {})


def resolve(schema: JsonSchema, schemas: Mapping[str, Any]) -> JsonSchema:
    """`schema`, or the one of `schemas` that it refers to."""
    while "$ref" in schema:
        referred = schemas[str(schema["$ref"]).rpartition("/")[2]]
        schema = {**referred, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _first_that_is_something(branches: list[JsonSchema]) -> JsonSchema:
    """The order of branches may mean nothing, but null is the least that can be shown."""
    something = [branch for branch in branches if branch.get("type") != "null"]
    strings = [branch for branch in something if branch.get("type") == "string"]
    return next(iter([*strings, *something, *branches]))


def _texts(field: JsonSchema) -> Iterator[str]:
    """The examples in a field's schema that are texts."""
    inner = [branch for branches in _BRANCHES for branch in field.get(branches, ())]
    for schema in (field, *inner, field.get("items", {})):
        yield from (given for given in schema.get("examples", ()) if isinstance(given, str))
