"""Requests and answers of the catalogue."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema

from libs.schema import Amount, Currency, Money, Schema, Timestamp, timestamp
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from services.api.catalog.config import Config
from services.api.catalog.documents import MAX_TAG_LENGTH, Service, tag_set
from services.api.catalog.documents import Price as StoredPrice

MAX_PRICE = Decimal("999999999.99")
"""So that an order of the most lines and quantities fits its total's column."""
MAX_TAGS = 20

_CENT = Decimal("0.01")

_WORDS = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# Written out: not every reader of the document knows \p{Cc}.
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"

Slug = Annotated[str, Field(pattern=_WORDS, max_length=80, examples=["engineering-day"])]
Name = Annotated[
    str,
    Field(
        pattern=_ONE_LINE,
        max_length=160,  # with the longest characters, it still fits a cursor
        description="Without control characters",
        examples=["Engineering day"],
    ),
]
Category = Annotated[str, Field(pattern=_WORDS, max_length=40, examples=["engineering"])]
Description = Annotated[
    str,
    Field(
        pattern=_TEXT,
        max_length=4000,
        description="Without control characters, except for tabs and line ends",
        examples=["A day of one engineer's work."],
    ),
]
UnitAmount = Annotated[
    Amount,
    Field(ge=0, le=MAX_PRICE),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,2})?$", "examples": ["12.50"]}
    ),
]
Tag = Annotated[str, Field(pattern=_WORDS, max_length=MAX_TAG_LENGTH, examples=["on-site"])]
Tags = Annotated[
    tuple[Tag, ...],
    Field(max_length=MAX_TAGS, description="A set: they come back in order, each once"),
    AfterValidator(lambda tags: tuple(tag_set(list(tags)))),
]
Active = Annotated[bool, Field(strict=True, description="Whether it can be ordered")]


class Price(Money):
    """What one unit costs."""

    amount: UnitAmount


class ServiceContent(Schema):
    """A service as an administrator says it."""

    slug: Slug
    name: Name
    category: Category
    description: Description = ""
    price: Price
    tags: Tags = ()
    active: Active = True
    config: Config = Field(default_factory=dict)


class PricePatch(Schema):
    """A merge patch of a price."""

    amount: UnitAmount = Field(default_factory=Decimal)
    currency: Currency = Field(default_factory=str)


class ServicePatch(Schema):
    """A merge patch (RFC 7396) of a service: what is not there stays as it is.

    Objects are merged: a null in `config` takes its member away.
    """

    # A default that nobody sees: what was sent is in model_fields_set, and nothing may be null.
    slug: Slug = Field(default_factory=str)
    name: Name = Field(default_factory=str)
    category: Category = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    price: PricePatch = Field(default_factory=PricePatch)
    tags: Tags = Field(default_factory=tuple)
    active: Active = Field(default_factory=bool)
    config: Config = Field(default_factory=dict)


class ServiceView(Schema):
    """A service that can be ordered, and how it is configured."""

    id: UUID
    slug: str
    name: str
    category: str
    description: str
    price: Money
    tags: tuple[str, ...]
    active: bool = Field(description="Whether it can be ordered")
    config: dict[str, JsonValue]
    created_at: Timestamp
    updated_at: Timestamp
    version: int = Field(ge=1)


class ServiceQuery(Schema):
    """Which services to list."""

    category: Annotated[
        str | None, Field(max_length=40, description="Only services of this category")
    ] = None
    active: Annotated[
        bool | None, Field(description="Only services that can, or cannot, be ordered")
    ] = None
    tag: Annotated[
        str | None, Field(max_length=MAX_TAG_LENGTH, description="Only services with this tag")
    ] = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    @property
    def filters(self) -> dict[str, str | bool]:
        """The fields that are asked for, and their values."""
        wanted = {"category": self.category, "active": self.active, "tag": self.tag}
        return {name: value for name, value in wanted.items() if value is not None}


class ServicePage(Page[ServiceView]):
    """Services by name."""


def view(service: Service) -> dict[str, Any]:
    """A service as it is answered: a `ServiceView`, for orjson. Nothing is checked again."""
    return {
        "id": service.id,
        **content(service),
        "createdAt": timestamp(service.created_at),
        "updatedAt": timestamp(service.updated_at),
        "version": service.version,
    }


def content(service: Service) -> dict[str, Any]:
    """What of a service is a `ServiceContent`, as JSON."""
    price = service.price
    return {
        "slug": service.slug,
        "name": service.name,
        "category": service.category,
        "description": service.description,
        "price": {"amount": f"{price.amount:.2f}", "currency": price.currency},
        "tags": service.tags,
        "active": service.active,
        "config": service.config,
    }


def fields(wanted: ServiceContent) -> dict[str, Any]:
    """The content as the document has it."""
    price = wanted.price
    return {
        **dict(wanted),
        "price": StoredPrice(amount=price.amount.quantize(_CENT), currency=price.currency),
        "tags": list(wanted.tags),
    }
