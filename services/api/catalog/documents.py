"""The service configuration documents of the collection `services`.

A document carries the version of its form. Money is a Decimal128, which BSON has for it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from bson import Decimal128
from pydantic import Field

from libs.documents.indexes import Index
from libs.schema import Amount, Money, Schema, Timestamp

COLLECTION: Final = "services"
SCHEMA_VERSION: Final = 1
MAX_PRICE: Final = Decimal(1_000_000_000)
"""So that an order of the most lines and quantities fits its total's column."""

INDEXES: Final = (
    Index(collection=COLLECTION, keys=(("slug", 1),), unique=True),
    Index(collection=COLLECTION, keys=(("category", 1), ("active", 1), ("name", 1), ("_id", 1))),
    Index(collection=COLLECTION, keys=(("name", 1), ("_id", 1))),
)


class Price(Money):
    """What one unit costs."""

    amount: Annotated[Amount, Field(ge=0, le=MAX_PRICE)]


class Service(Schema):
    """A service that can be ordered, and how it is configured.

    Attributes:
        slug: unique, for addresses that people read.
        active: whether it can be ordered.
        config: what is particular to this service, in a form of its own.
        version: of this document's content, from 1 on.
    """

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


def to_document(service: Service) -> dict[str, Any]:
    """The service as MongoDB keeps it."""
    document = service.model_dump(exclude={"id", "price"})
    price = {"amount": Decimal128(service.price.amount), "currency": service.price.currency}
    return {"_id": service.id, "schema_version": SCHEMA_VERSION, **document, "price": price}


def from_document(document: Mapping[str, Any]) -> Service:
    """The service that a document holds.

    Raises:
        ValueError: the document has a form that this code does not know, or breaks a rule.
    """
    values = dict(document)
    if (form := values.pop("schema_version", None)) != SCHEMA_VERSION:
        raise ValueError(f"service {values['_id']} has the schema version {form}")
    price = values["price"]
    values["price"] = {**price, "amount": price["amount"].to_decimal()}
    values["id"] = values.pop("_id")
    return Service.model_validate(values)


def at(moment: datetime, values: Mapping[str, Any]) -> Service:
    """A new service with these values, as they are in JSON."""
    return Service.model_validate({**values, "createdAt": moment, "updatedAt": moment})
