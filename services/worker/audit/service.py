"""The audit log: what happened, to what, through whom."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from libs.events.envelope import Envelope
from libs.web.pagination import Cursors, Page, cut
from services.worker.audit.models import AuditRecord
from services.worker.audit.repository import Position
from services.worker.audit.schemas import AuditEntry, Filters


class Log(Protocol):
    """See `repository.AuditRepository`."""

    async def append(self, envelope: Envelope) -> None: ...

    async def newest(
        self, filters: Filters, *, after: Position | None, limit: int
    ) -> Sequence[AuditRecord]: ...


class Audit:
    """Notes events and shows them.

    Args:
        cursor_key: what the cursors of the list are signed with.
    """

    def __init__(self, log: Log, *, cursor_key: bytes) -> None:
        self._log = log
        self._cursors = Cursors("audit: occurredAt, id, descending", Position, cursor_key)

    async def record(self, envelope: Envelope) -> None:
        """Note an event, in the open unit of work."""
        await self._log.append(envelope)

    async def page(self, filters: Filters, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        """A page of the log, the newest event first.

        Raises:
            InvalidCursor: the cursor is none of this list with these filters.
        """
        bound = asdict(filters)
        after = self._cursors.read(cursor, bound)
        records, last = cut(await self._log.newest(filters, after=after, limit=limit + 1), limit)
        following = self._cursors.write(_position(last), bound) if last else None
        return Page[AuditEntry](
            items=tuple(_entry(record) for record in records), next_cursor=following
        )


def _position(record: AuditRecord) -> Position:
    return Position(record.occurred_at, record.id)


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry.model_validate({f: getattr(record, f) for f in AuditEntry.model_fields})
