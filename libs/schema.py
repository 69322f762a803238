"""The building blocks of every payload: requests, answers, events.

JSON is camelCase, ids are UUIDs, times are RFC 3339 in UTC with `Z`, money is a decimal string with
an ISO 4217 currency. Never a float.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Self

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel


class Schema(BaseModel):
    """A payload. Unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )

    def to_json(self) -> bytes:
        """The payload as it goes over the wire."""
        return self.model_dump_json(by_alias=True).encode()


def timestamp(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`: 2026-01-31T12:00:00.000Z."""
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    text = orjson.dumps(in_utc).decode()  # "2026-01-31T12:00:00.123456+00:00", four times as fast
    return f"{text[1:24]}Z" if in_utc.microsecond else f"{text[1:20]}.000Z"


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _as_rfc_3339(value: object) -> object:
    """Pydantic takes more for a time: numbers, for example, as seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("must be a time as in RFC 3339, like 2026-01-31T12:00:00Z")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be between the years 1 and 9999 in UTC") from error


Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_as_rfc_3339),
    AfterValidator(_in_utc),
    PlainSerializer(timestamp, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00.000Z"]}
    ),
]

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
"""ISO 4217."""

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])]
"""ISO 3166-1 alpha-2."""


AMOUNT_FORM = r"^-?[0-9]{1,16}(\.[0-9]{1,2})?$"
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _as_decimal_string(value: object) -> object:
    """Pydantic takes more for a decimal: floats, `1e3`, `1_000`."""
    if isinstance(value, Decimal) or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
        return value
    raise ValueError('must be a decimal string, like "12.50"')


Amount = Annotated[
    Decimal,
    BeforeValidator(_as_decimal_string),
    Field(max_digits=18, decimal_places=2),
    PlainSerializer(lambda value: f"{value:.2f}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_FORM, "examples": ["12.50"]}),
]
"""An amount of money, with two decimals."""


Rate = Annotated[
    Decimal,
    BeforeValidator(_as_decimal_string),
    Field(gt=0),
    PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_DECIMAL.pattern}$", "examples": ["1.0868"]}),
]
"""A ratio, with as many decimals as its source gives."""


def _as_whole_number(value: object) -> object:
    """In JSON 2.0 is the same number as 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_as_whole_number), Field(strict=True)]
"""A whole number in a body: no text that looks like one, and no truth value."""


class Money(Schema):
    """An amount in a currency."""

    amount: Amount
    currency: Currency

    def times(self, quantity: int) -> Self:
        """The price of `quantity` of these."""
        return self.model_copy(update={"amount": self.amount * quantity})
