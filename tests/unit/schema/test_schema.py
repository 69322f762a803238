"""The building blocks of payloads take what their JSON Schema says, and nothing else."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, ValidationError

from libs.schema import Amount, Rate, Timestamp, Whole


class Payload(BaseModel):
    """One of each."""

    at: Timestamp = datetime(2026, 1, 1, tzinfo=UTC)
    amount: Amount = Decimal(1)
    rate: Rate = Decimal(1)
    count: Whole = 1


GOOD: dict[str, list[Any]] = {
    "at": ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.5z", "2026-01-31T12:00:00+02:00"],
    "amount": ["12.50", "0", "-3.1", "9999999999999999.99", "007"],
    "rate": ["1.0868", "0.000001", "100"],
    "count": [0, -1, 2.0, 10**15],
}
BAD: dict[str, list[Any]] = {
    "at": [
        *("0", "0.5", "1769860800", 0, 1769860800.5, "2026-01-31", "2026-01-31 12:00:00Z"),
        *("2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-13-31T12:00:00Z", "", None, True),
        *("2026-01-31T12:00:00Z\n", "\uff12026-01-31T12:00:00Z"),
    ],
    "amount": [
        *(12.5, 12, "1e3", "1_000", "+1", ".5", "5.", "12.345", "10000000000000000", " 1", ""),
        *("NaN", "Infinity", "-", "1,5", "²", None, True),
    ],
    "rate": [1.5, "1e3", "1_000", "-", "", None, True],
    "count": ["1", 1.5, True, None, "", []],
}


def _cases(values: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, each in values.items() for value in each]


SCHEMA = Draft202012Validator(Payload.model_json_schema(), validate_formats=True)


@pytest.mark.parametrize(("name", "value"), _cases(GOOD))
def test_what_is_taken(name: str, value: Any) -> None:
    assert SCHEMA.is_valid({name: value})
    assert Payload.model_validate({name: value})


@pytest.mark.parametrize(("name", "value"), _cases(BAD))
def test_what_is_not_taken(name: str, value: Any) -> None:
    assert not SCHEMA.is_valid({name: value})
    with pytest.raises(ValidationError):
        Payload.model_validate({name: value})


def test_what_code_hands_over_is_taken_as_it_is() -> None:
    made = Payload(at=datetime(2026, 1, 31, tzinfo=UTC), amount=Decimal("12.5"), rate=Decimal(2))
    assert made.model_dump_json() == (
        '{"at":"2026-01-31T00:00:00.000Z","amount":"12.50","rate":"2","count":1}'
    )


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_is_the_same_in_both_directions(mode: Any) -> None:
    fields = Payload.model_json_schema(mode=mode)["properties"]
    assert (fields["at"]["type"], fields["at"]["format"]) == ("string", "date-time")
    assert fields["amount"]["type"] == fields["rate"]["type"] == "string"
    assert all(fields[name]["examples"] for name in ("at", "amount", "rate"))
