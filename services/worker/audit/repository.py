"""The table of the audit log: records are added and read, and that is all."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from libs.events.envelope import Envelope
from services.worker.audit.models import AuditRecord
from services.worker.audit.schemas import Filters


class Position(NamedTuple):
    """Where a record stands in the order of the log."""

    occurred_at: datetime
    id: UUID


class AuditRepository:
    """Keeps the audit log."""

    async def append(self, envelope: Envelope) -> None:
        """Add the record of an event, unless it is there."""
        record = AuditRecord(
            occurred_at=envelope.time,
            event_id=envelope.id,
            type=envelope.type,
            source=envelope.source,
            subject=envelope.subject,
            context_id=envelope.context_id,
            causation_id=envelope.causation_id,
            actor=envelope.actor,
            data=orjson.loads(envelope.data),
        )
        await AuditRecord.bulk_create([record], ignore_conflicts=True)

    async def newest(
        self, filters: Filters, *, after: Position | None, limit: int
    ) -> Sequence[AuditRecord]:
        """Up to `limit` records that come after a position, the newest event first."""
        return await newest(filters, after=after, limit=limit)


def newest(filters: Filters, *, after: Position | None, limit: int) -> QuerySet[AuditRecord]:
    """See `AuditRepository.newest`."""
    records = AuditRecord.filter(**filters.given())
    if after is not None:
        # The first condition is implied by the second; it is what an index can be entered by.
        records = records.filter(
            Q(occurred_at__lte=after.occurred_at),
            Q(occurred_at__lt=after.occurred_at) | Q(id__lt=after.id),
        )
    return records.order_by("-occurred_at", "-id").limit(limit)
