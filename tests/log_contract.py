"""Lines of a log, held against the contract in docs/reference/log.schema.json."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[1] / "docs" / "reference" / "log.schema.json"
KEPT_VALUES = 10_000


def violations(lines: Iterable[bytes]) -> list[str]:
    """What is wrong with `lines`, each time with the number of the line and its beginning."""
    contract = _contract()
    return [
        f"line {number}: {mistake}: {line[:200].decode(errors='replace').rstrip()}"
        for number, line in enumerate(lines, 1)
        for mistake in contract.mistakes(line)
    ]


class _Field:
    """What holds for a field's value. Valid texts are remembered: most occur again."""

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        self._name = name
        self._validator = Draft202012Validator(schema)
        self._valid: set[str] = set()

    def mistakes(self, value: object) -> Iterator[str]:
        if isinstance(value, str) and value in self._valid:
            return
        wrong = [error.message for error in self._validator.iter_errors(value)]
        if not wrong and isinstance(value, str) and len(self._valid) < KEPT_VALUES:
            self._valid.add(value)
        yield from (f"{self._name}: {message}" for message in wrong)


class _Contract:
    """The schema, taken apart once: a run of the tests checks tens of thousands of lines.

    A schema of a line has `required`, `properties` and `patternProperties`, with conditions on
    `event` alone. So what is to be checked follows from the event and the names of the fields.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        Draft202012Validator.check_schema(schema)
        self._always = schema
        self._conditions = [
            (Draft202012Validator(each["if"]), each["then"]) for each in schema["allOf"]
        ]
        self._plans: dict[tuple[object, ...], tuple[list[str], list[_Field]]] = {}

    def mistakes(self, line: bytes) -> list[str]:
        """What is wrong with one line."""
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return [f"is not JSON ({error})"]
        if not isinstance(fields, dict):
            return ["is not an object"]
        event = str(fields.get("event"))
        shape = (event, *fields)
        if shape not in self._plans:
            self._plans[shape] = self._plan(event, fields)
        missing, checked = self._plans[shape]
        pairs = zip(checked, fields.values(), strict=True)
        return [*missing, *(wrong for field, value in pairs for wrong in field.mistakes(value))]

    def _plan(self, event: str, names: Iterable[str]) -> tuple[list[str], list[_Field]]:
        """The mistakes that all lines of this shape have, and what to check in each."""
        schemas = [self._always]
        schemas += [then for when, then in self._conditions if when.is_valid({"event": event})]
        required = [name for schema in schemas for name in schema.get("required", ())]
        missing = [f"{name} is missing" for name in required if name not in names]
        return missing, [_Field(name, {"allOf": list(_of(name, schemas))}) for name in names]


def _of(name: str, schemas: Iterable[Mapping[str, Any]]) -> Iterator[object]:
    """The schemas of the field `name`."""
    yield True
    for schema in schemas:
        if name in schema.get("properties", {}):
            yield schema["properties"][name]
        for pattern, of_pattern in schema.get("patternProperties", {}).items():
            if re.search(pattern, name):
                yield of_pattern


@functools.cache
def _contract() -> _Contract:
    return _Contract(orjson.loads(SCHEMA.read_bytes()))
