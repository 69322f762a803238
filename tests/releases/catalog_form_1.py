"""How the first release read a service: form 1, and that alone."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from libs.schema import Amount, Money, Schema, Timestamp

SCHEMA_VERSION: Final = 1
MAX_PRICE: Final = Decimal(1_000_000_000)


class Price(Money):
    amount: Annotated[Amount, Field(ge=0, le=MAX_PRICE)]


class Service(Schema):
    id: UUID
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)
    name: str = Field(min_length=1, max_length=200)
    category: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)
    description: str = Field(max_length=4000)
    price: Price
    tags: tuple[str, ...] = ()
    active: bool = True
    config: dict[str, Any] = Field(default_factory=dict)
    created_at: Timestamp
    updated_at: Timestamp
    version: int = Field(1, ge=1)


def from_document(document: Mapping[str, Any]) -> Service:
    values = dict(document)
    if (form := values.pop("schema_version", None)) != SCHEMA_VERSION:
        raise ValueError(f"service {values['_id']} has the schema version {form}")
    price = values["price"]
    values["price"] = {**price, "amount": price["amount"].to_decimal()}
    values["id"] = values.pop("_id")
    return Service.model_validate(values)
