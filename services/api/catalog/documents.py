"""The service configuration documents of the collection `services`.

form 1   as the first release wrote them
form 2   who made and who last changed it; when it was deleted, if it was. Has `min_reader`:
         from here on a reader tells by the document whether it can read it
form 3   tags are a sorted set of words in one spelling, so that a list can be filtered by one
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from odmantic import EmbeddedModel, Field, Model

from libs.documents.collections import Collection
from libs.documents.indexes import Index
from libs.documents.outbox import INDEXES as OUTBOX_INDEXES
from libs.documents.versions import Document, Versions

COLLECTION: Final = "services"
MAX_TAG_LENGTH: Final = 40

_NOT_IN_TAGS: Final = re.compile(r"[^a-z0-9]+")
_LIVE: Final = {"deleted_at": None}
"""Also true of a document that has no such field."""


class Price(EmbeddedModel):
    """What one unit costs."""

    amount: Decimal
    currency: str


class Service(Model):
    """A service that can be ordered, and how it is configured.

    What a request may say is in `schemas.py`, and stricter: here is what can be worked with.

    Attributes:
        slug: unique among those that are not deleted, for addresses that people read.
        active: whether it can be ordered.
        config: what is particular to this service, in a form of its own.
        created_by, updated_by: who; None: not known, from before that was noted.
        version: of this document's content, from 1 on.
    """

    model_config = {"collection": COLLECTION}

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


def _from_1_to_2(document: Mapping[str, Any]) -> Document:
    return {"created_by": None, "updated_by": None, "deleted_at": None, **document}


def _from_2_to_3(document: Mapping[str, Any]) -> Document:
    return {**document, "tags": tag_set(document["tags"])}


def tag_set(tags: list[str]) -> list[str]:
    """The tags in one spelling and order, each once: "On site" is `on-site`."""
    spelt = (_NOT_IN_TAGS.sub("-", t.lower()).strip("-")[:MAX_TAG_LENGTH] for t in tags)
    return sorted({tag.strip("-") for tag in spelt} - {""})


BY_NAME: Final = Index(name="live_by_name", keys=(("name", 1), ("_id", 1)), where=_LIVE)
BY_ACTIVE: Final = Index(
    name="live_by_active", keys=(("active", 1), ("name", 1), ("_id", 1)), where=_LIVE
)
BY_CATEGORY: Final = Index(
    name="live_by_category", keys=(("category", 1), ("name", 1), ("_id", 1)), where=_LIVE
)
BY_TAG: Final = Index(name="live_by_tag", keys=(("tags", 1), ("name", 1), ("_id", 1)), where=_LIVE)
BY_SLUG: Final = Index(name="live_slug", keys=(("slug", 1),), unique=True, where=_LIVE)

SERVICES: Final = Collection(
    name=COLLECTION,
    versions=Versions(upgrades=(_from_1_to_2, _from_2_to_3), min_reader=2),
    parse=Service.model_validate_doc,
    indexes=(BY_SLUG, BY_NAME, BY_ACTIVE, BY_CATEGORY, BY_TAG, *OUTBOX_INDEXES),
    kept=("category_1_active_1_name_1__id_1", "name_1__id_1"),
    retired=("slug_1",),  # it would not let go of a deleted service's slug
)


def new(service_id: UUID, *, by: str | None, **content: Any) -> Service:
    """A service that is made now.

    Args:
        content: the other fields, as they are in the model.
    """
    now = milliseconds(datetime.now(UTC))
    return Service(
        id=service_id,
        created_at=now,
        created_by=by,
        updated_at=now,
        updated_by=by,
        deleted_at=None,
        version=1,
        **content,
    )


def milliseconds(moment: datetime) -> datetime:
    """`moment` as MongoDB keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_document(service: Service) -> Document:
    """The service as MongoDB keeps it, in the current form."""
    return {**service.model_dump_doc(), **SERVICES.versions.stamp}
