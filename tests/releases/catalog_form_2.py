"""How a service of form 2 is read and written by code that has never heard of form 3."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from odmantic import EmbeddedModel, Field, Model

CURRENT: Final = 2


class Price(EmbeddedModel):
    amount: Decimal
    currency: str


class Service(Model):
    model_config = {"collection": "services"}

    id: UUID = Field(primary_field=True)
    slug: str
    name: str
    category: str
    description: str
    price: Price
    tags: list[str]
    active: bool
    config: dict[str, Any]
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    updated_by: str | None
    deleted_at: datetime | None
    version: int = Field(ge=1)


def from_document(document: Mapping[str, Any]) -> Service:
    version = document["schema_version"]
    if version > CURRENT and document.get("min_reader", version) > CURRENT:
        raise ValueError(f"schema version {version} is for newer code")
    added = {"created_by": None, "updated_by": None, "deleted_at": None}
    return Service.model_validate_doc({**(added if version == 1 else {}), **document})


def written(service: Service) -> dict[str, Any]:
    """The fields that an update sets."""
    document = service.model_dump_doc()
    del document["_id"]
    return {**document, "schema_version": CURRENT, "min_reader": 2}
