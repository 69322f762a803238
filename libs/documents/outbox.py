"""Events of changes to documents: no change without its event, no event without its change.

The document is in MongoDB, the outbox in PostgreSQL, and no transaction spans the two. So a change
and its event are one write to the document:

    1  the document, with the event in its `outbox`        MongoDB, one atomic write
    2  the event into the module's outbox                  PostgreSQL, one transaction
    3  the event out of the document's `outbox`            MongoDB

Who made the change does 2 and 3 at once. Should it die in between, the `sweeper` of any process
does. The event's id is the primary key of the outbox, so that 2 has its effect once. Events of one
document move in their order, all that are waiting together: an earlier one is never overtaken.

An answer that is to be kept with an idempotency key travels with the event, and is stored in the
transaction of 2. Until then the document itself stands for the key: it is marked with it, and the
mark is unique.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from pymongo.write_concern import WriteConcern

from libs.context import RequestContext, current, use
from libs.db.database import Database
from libs.db.idempotency import Answer, Scope
from libs.db.unit_of_work import unit_of_work
from libs.documents.command_log import LOOKING
from libs.documents.documents import Documents
from libs.documents.indexes import Index
from libs.documents.versions import Document
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.ids import uuid7
from libs.logging import get_logger

log = get_logger()

OUTBOX: Final = "outbox"
"""The field with the events that wait."""

MARK: Final = "made_by"
"""The field that says which keyed request a document was made by."""

WAITING: Final = Index(
    name="outbox_waiting", keys=(("outbox.at", 1),), where={"outbox.at": {"$exists": True}}
)
MARKED: Final = Index(
    name="made_by_key", keys=(("made_by.key", 1),), unique=True,
    where={"made_by.key": {"$exists": True}},
)  # fmt: skip
MARKED_AT: Final = Index(
    name="made_by_at", keys=(("made_by.at", 1),), where={"made_by.at": {"$exists": True}}
)
INDEXES: Final = (WAITING, MARKED, MARKED_AT)
"""What a collection with an outbox declares, beside its own."""

_KEPT: Final = (
    *("id", "type", "source", "subject", "version", "topic"),
    *("context_id", "causation_id", "actor", "data"),
)

_TAKE_OVER: Final = """/* outbox.take_over */
WITH added AS (
    INSERT INTO outbox (id, topic, type, version, subject,
                        context_id, causation_id, actor, session_id, payload, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (id) DO NOTHING RETURNING id
)
SELECT id, pg_notify(current_schema() || '_outbox', '')::text FROM added"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """The answer to a request with an idempotency key.

    Attributes:
        fingerprint: of the request.
    """

    scope: Scope
    fingerprint: bytes
    answer: Answer

    @property
    def mark(self) -> Document:
        """What a document says that this request has made."""
        return {
            "key": mark_of(self.scope),
            "fingerprint": self.fingerprint,
            "at": datetime.now(UTC),
        }


def mark_of(scope: Scope) -> bytes:
    """What stands for a key in a document: its hash."""
    return hashlib.sha256(orjson.dumps([scope.actor, scope.route, scope.key])).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event in a document."""

    event: Envelope
    keyed: Keyed | None = None

    @classmethod
    def of(cls, event: Event, *, source: str, keyed: Keyed | None = None) -> "Waiting":
        """An event that happens now, in the current context."""
        context = current()
        now = datetime.now(UTC)
        return cls(
            event=Envelope(
                id=uuid7(),
                type=event.type,
                source=source,
                time=now.replace(microsecond=now.microsecond // 1000 * 1000),  # as MongoDB does
                subject=event.key(),
                version=event.version,
                topic=event.topic,
                context_id=context.context_id,
                causation_id=context.causation_id,
                actor=context.actor,
                session_id=context.session_id,
                data=event.to_json(),
            ),
            keyed=keyed,
        )

    def to_document(self) -> Document:
        """As the document keeps it."""
        return {
            **{name: getattr(self.event, name) for name in _KEPT},
            "session_id": self.event.session_id,
            "at": self.event.time,
            "keyed": None if self.keyed is None else _kept(self.keyed),
        }

    @classmethod
    def from_document(cls, kept: Mapping[str, Any]) -> "Waiting":
        keyed = kept.get("keyed")
        return cls(
            event=Envelope(
                time=kept["at"],
                session_id=kept.get("session_id"),  # processes of before do not say it
                **{name: kept[name] for name in _KEPT},
            ),
            keyed=None if keyed is None else _keyed(keyed),
        )


def waiting(document: Mapping[str, Any]) -> list[Waiting]:
    """The events that wait in a document, in their order."""
    return [Waiting.from_document(kept) for kept in document.get(OUTBOX, ())]


class Keys(Protocol):
    """What the outbox needs of `libs.db.idempotency.IdempotencyKeys`."""

    async def once(
        self, scope: Scope | None, fingerprint: bytes, perform: Callable[[], Awaitable[Answer]]
    ) -> Answer: ...


class DocumentOutbox:
    """Moves the events of one collection into the outbox of its module.

    Args:
        db: where the module's outbox is.
    """

    def __init__(self, documents: Documents, collection: str, db: Database, keys: Keys) -> None:
        self._documents = documents
        self._collection = collection
        self._db = db
        self._keys = keys

    @property
    def source(self) -> str:
        """Where the events come from, in their envelopes."""
        return f"/throughline/{self._db.name}"

    async def forward(self, document_id: UUID, events: Sequence[Waiting]) -> None:
        """Move events that wait in a document; again does no harm.

        Args:
            events: all that wait in it, in their order.
        """
        await self.take_over(events)
        await self.clear(document_id, events)

    async def take_over(self, events: Sequence[Waiting]) -> None:
        """The step into PostgreSQL."""
        async with unit_of_work(self._db):
            for each in events:
                with use(_context(each.event, self._db.name)):
                    await self._take_over(each)

    async def clear(self, document_id: UUID, events: Sequence[Waiting]) -> None:
        """The step out of the document."""
        ids = [each.event.id for each in events]
        # Should this be lost, it is done again: nobody need wait for the journals.
        quick = self._documents.collection(self._collection).with_options(
            write_concern=WriteConcern(w=1)
        )
        async with self._documents.operation():
            await quick.update_one({"_id": document_id}, {"$pull": {OUTBOX: {"id": {"$in": ids}}}})

    async def overdue(self, age: timedelta, *, limit: int) -> list[tuple[UUID, list[Waiting]]]:
        """Documents with an event that has waited for longer than `age`, and all their events."""
        since = datetime.now(UTC) - age
        async with self._documents.operation():
            found = (
                self._documents.collection(self._collection)
                .find({"outbox.at": {"$lt": since}}, {OUTBOX: 1}, comment=LOOKING)
                .hint(WAITING.name)
                .limit(limit)
            )
            return [(d["_id"], waiting(d)) for d in await found.to_list(limit)]

    async def forget_marks(self, age: timedelta) -> int:
        """Take away the marks of keys that are older than `age`; returns how many."""
        since = datetime.now(UTC) - age
        async with self._documents.operation():
            result = await self._documents.collection(self._collection).update_many(
                {f"{MARK}.at": {"$lt": since}}, {"$unset": {MARK: ""}}, hint=MARKED_AT.name
            )
        return result.modified_count

    async def _take_over(self, each: Waiting) -> None:
        event = each.event
        # Waits for another transaction that is adding the same event.
        added = await self._db.rows(
            _TAKE_OVER,
            event.id,
            event.topic,
            event.type,
            event.version,
            event.subject,
            event.context_id,
            event.causation_id,
            event.actor,
            event.session_id,
            event.data.decode(),
            event.time,
        )
        if not added:
            return
        if (keyed := each.keyed) is not None:

            async def answer() -> Answer:
                return keyed.answer

            await self._keys.once(keyed.scope, keyed.fingerprint, answer)
        log.info("outbox.added", eventId=str(event.id), eventType=event.type, topic=event.topic)


def _context(event: Envelope, module: str) -> RequestContext:
    """That of the request that made the event, and not of whoever moves it."""
    return RequestContext(
        context_id=event.context_id,
        service=module,
        actor=event.actor,
        session_id=event.session_id,
        causation_id=event.causation_id,
        deadline=current().deadline,
    )


def _kept(keyed: Keyed) -> Document:
    scope, answer = keyed.scope, keyed.answer
    return {
        "scope": {"actor": scope.actor, "route": scope.route, "key": scope.key},
        "fingerprint": keyed.fingerprint,
        "answer": {
            "status": answer.status,
            "body": answer.body,
            "headers": dict(answer.headers),
        },
    }


def _keyed(kept: Mapping[str, Any]) -> Keyed:
    return Keyed(
        scope=Scope(**kept["scope"]),
        fingerprint=kept["fingerprint"],
        answer=Answer(**kept["answer"]),
    )
