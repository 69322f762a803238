"""The building blocks of every payload: requests, answers, events.

JSON is camelCase, ids are UUIDs, times are RFC 3339 in UTC with `Z`, money is a decimal string with
an ISO 4217 currency. Never a float.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
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
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be between the years 1 and 9999 in UTC") from error


Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(timestamp, return_type=str, when_used="json"),
]

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])]
"""ISO 4217."""

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])]
"""ISO 3166-1 alpha-2."""


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("must be a decimal string, not a float")  # noqa: TRY004 (pydantic's way)
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_no_float),
    Field(max_digits=18, decimal_places=2, examples=["12.50"]),
    PlainSerializer(lambda value: f"{value:.2f}", return_type=str, when_used="json"),
]
"""An amount of money, with two decimals."""


Rate = Annotated[
    Decimal,
    BeforeValidator(_no_float),
    Field(gt=0, examples=["1.0868"]),
    PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json"),
]
"""A ratio, with as many decimals as its source gives."""


class Money(Schema):
    """An amount in a currency."""

    amount: Amount
    currency: Currency

    def times(self, quantity: int) -> Self:
        """The price of `quantity` of these."""
        return self.model_copy(update={"amount": self.amount * quantity})
