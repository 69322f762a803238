"""Every query about services.

A list's query names its index. So it is the declared one that is used whatever the planner thinks
of the moment, `explain` can be held to it, and that a migration is missing shows at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from libs.db.idempotency import Scope
from libs.documents.documents import Documents
from libs.documents.indexes import Index
from libs.documents.outbox import MARK, MARKED, OUTBOX, Waiting, mark_of, waiting
from libs.documents.versions import Document
from libs.errors import FieldError
from libs.logging import get_logger
from services.api.catalog.documents import (
    BY_ACTIVE,
    BY_CATEGORY,
    BY_NAME,
    BY_TAG,
    COLLECTION,
    SERVICES,
    Service,
    to_document,
)
from services.api.catalog.errors import ServiceUnreadable, SlugTaken

log = get_logger()

DUPLICATE_KEY: Final = 11000
"""MongoDB's code for a violated unique index."""

FIELDS: Final = {"category": "category", "active": "active", "tag": "tags"}
"""What a list may be filtered by, and the field that it is."""

_INDEXES: Final = (("tags", BY_TAG), ("category", BY_CATEGORY), ("active", BY_ACTIVE))
"""By the field that narrows most, first."""

Position = tuple[str, UUID]
"""In the list's order: name and id of a service."""


@dataclass(frozen=True, slots=True)
class Held:
    """A service, and the events that wait in its document."""

    service: Service
    events: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What a keyed request has made.

    Attributes:
        fingerprint: of that request.
        events: those that wait in the document still.
    """

    service_id: UUID
    fingerprint: bytes
    events: tuple[Waiting, ...]


class ServiceRepository:
    """The services in MongoDB."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    @property
    def _services(self) -> AsyncIOMotorCollection[Document]:
        return self._documents.collection(COLLECTION)

    async def find(self, service_id: UUID) -> Held | None:
        """The service, active or not, unless it is deleted.

        Raises:
            ServiceUnreadable: its document is broken.
        """
        async with self._documents.operation():
            found = await self._services.find_one({"_id": service_id})
        if found is None or found.get("deleted_at") is not None:
            return None
        if (service := SERVICES.read_or_tell(found)) is None:
            raise ServiceUnreadable
        return Held(service, tuple(waiting(found)))

    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> list[tuple[Position, Service | None]]:
        """Services by name, with their positions; None for one whose document is broken.

        Args:
            filters: by the names in `FIELDS`, values that must be equal.
        """
        async with self._documents.operation():
            found = self._services.find(query(filters, after)).hint(index_for(filters).name)
            ordered = found.sort([("name", 1), ("_id", 1)]).limit(limit)
            documents = await ordered.to_list(length=limit)
        return [((d["name"], d["_id"]), SERVICES.read_or_tell(d)) for d in documents]

    async def add(self, service: Service, event: Waiting) -> None:
        """Insert a service with the event that tells of it.

        Raises:
            SlugTaken: another one has its slug; or its request's key has made one before.
        """
        mark = {} if event.keyed is None else {MARK: event.keyed.mark}
        document = {**to_document(service), **mark, OUTBOX: [event.to_document()]}
        try:
            async with self._documents.operation():
                await self._services.insert_one(document)
        except DuplicateKeyError as error:
            raise _slug_taken() from error

    async def update(self, service: Service, event: Waiting) -> bool:
        """Write a service that was changed, with the event that tells of it.

        Args:
            service: of the version after the one that it is made of.

        Returns:
            False: it is not of that version any more. Nothing was written.

        Raises:
            SlugTaken: another one has its slug.
        """
        document = to_document(service)
        unchanged = {"_id": document.pop("_id"), "version": service.version - 1, "deleted_at": None}
        change = {"$set": document, "$push": {OUTBOX: event.to_document()}}
        try:
            async with self._documents.operation():
                result = await self._services.update_one(unchanged, change)
        except DuplicateKeyError as error:
            raise _slug_taken() from error
        return result.matched_count == 1

    async def made_by(self, scope: Scope) -> Made | None:
        """What a request with this key has made, deleted or not."""
        async with self._documents.operation():
            found = await self._services.find_one(
                {f"{MARK}.key": mark_of(scope)}, {MARK: 1, OUTBOX: 1}, hint=MARKED.name
            )
        if found is None:
            return None
        return Made(found["_id"], found[MARK]["fingerprint"], tuple(waiting(found)))

    async def forget_key(self, scope: Scope) -> None:
        """Let the request's key be used for something else."""
        async with self._documents.operation():
            await self._services.update_one(
                {f"{MARK}.key": mark_of(scope)}, {"$unset": {MARK: ""}}, hint=MARKED.name
            )

    async def add_missing(self, services: Iterable[Service]) -> list[UUID]:
        """Insert the services that are not there; those that are keep what was made of them.

        One whose slug another service has is left out. No events: this is for demo data.

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
                result = await self._services.bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            details = error.details
            for failure in details["writeErrors"]:
                if failure["code"] != DUPLICATE_KEY:
                    raise
                service = wanted[failure["index"]]
                log.warning("catalog.slug_taken", serviceId=str(service.id), slug=service.slug)
            return [upserted["_id"] for upserted in details["upserted"]]
        return list((result.upserted_ids or {}).values())


def query(filters: Mapping[str, Any], after: Position | None) -> Document:
    """What a page of the list is to hold. Only names that are text have a place in its order."""
    wanted: Document = {FIELDS[name]: value for name, value in filters.items()}
    wanted |= {"deleted_at": None, "name": {"$gte": ""}}
    if after is not None:
        name, last = after
        # The first condition is implied by the second; it is what an index can be entered by.
        wanted["name"] = {"$gte": name}
        wanted["$or"] = [{"name": {"$gt": name}}, {"_id": {"$gt": last}}]
    return wanted


def index_for(filters: Mapping[str, Any]) -> Index:
    """The index that gives a list with these filters in its order."""
    given = {FIELDS[name] for name in filters}
    return next((index for field, index in _INDEXES if field in given), BY_NAME)


def _slug_taken() -> SlugTaken:
    return SlugTaken(errors=[FieldError("/slug", SlugTaken.code, SlugTaken.title)])
