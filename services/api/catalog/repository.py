"""Every query about services."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from libs.documents.documents import Documents
from libs.logging import get_logger
from services.api.catalog.documents import (
    COLLECTION,
    INDEXES,
    Service,
    from_document,
    to_document,
)

log = get_logger()

DUPLICATE_KEY = 11000
"""MongoDB's code for a violated unique index."""

Position = tuple[str, UUID]
"""In the list's order: name and id of a service."""


class ServiceRepository:
    """The services in MongoDB."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def find(self, service_id: UUID) -> Service | None:
        """The service, active or not."""
        async with self._documents.operation():
            found = await self._documents.collection(COLLECTION).find_one({"_id": service_id})
        return None if found is None else from_document(found)

    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> list[Service]:
        """Services by name.

        Args:
            filters: field values that must be equal.
        """
        query: dict[str, Any] = dict(filters)
        if after is not None:
            name, last = after
            query["$or"] = [{"name": {"$gt": name}}, {"name": name, "_id": {"$gt": last}}]
        async with self._documents.operation():
            found = self._documents.collection(COLLECTION).find(query)
            ordered = found.sort([("name", 1), ("_id", 1)]).limit(limit)
            return [from_document(document) for document in await ordered.to_list(length=limit)]

    async def add_missing(self, services: Iterable[Service]) -> list[UUID]:
        """Insert the services that are not there; those that are keep what was made of them.

        One whose slug another service has is left out.

        Returns:
            the ids of those that were inserted.
        """
        wanted = list(services)
        documents = [to_document(service) for service in wanted]
        changes = [
            UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True)
            for document in documents
        ]
        try:
            async with self._documents.operation():
                result = await self._documents.collection(COLLECTION).bulk_write(
                    changes, ordered=False
                )
        except BulkWriteError as error:
            details = error.details
            for failure in details["writeErrors"]:
                if failure["code"] != DUPLICATE_KEY:
                    raise
                service = wanted[failure["index"]]
                log.warning("catalog.slug_taken", serviceId=str(service.id), slug=service.slug)
            return [upserted["_id"] for upserted in details["upserted"]]
        return list((result.upserted_ids or {}).values())

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._documents.ensure_indexes(INDEXES)
