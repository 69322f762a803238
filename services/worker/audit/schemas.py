"""What is shown of the audit log."""

from dataclasses import asdict, dataclass
from uuid import UUID

from pydantic import JsonValue

from libs.schema import Schema, Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which records are wanted; None: any."""

    context_id: str | None = None
    subject: str | None = None
    type: str | None = None

    def given(self) -> dict[str, str]:
        """Those that are set, by column."""
        return {column: value for column, value in asdict(self).items() if value is not None}


class AuditEntry(Schema):
    """An event that happened, with who caused it."""

    id: UUID
    occurred_at: Timestamp
    recorded_at: Timestamp
    event_id: UUID
    type: str
    source: str
    subject: str
    context_id: str
    causation_id: str | None
    actor: str | None
    data: dict[str, JsonValue]
