"""What becomes of a record that cannot be handled.

It goes to the topic `<group>.dead-letter` as it came: key, value and headers unchanged, so that it
can be published again to where it came from. Headers with the prefix `deadletter-` say why it is
there.
"""

from dataclasses import dataclass

from libs.errors import AppError
from libs.events.bus import Message, Record

MAX_REASON = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a record is given up.

    Attributes:
        error: the last one.
        attempts: how often it was tried.
        handler: which handler gave up; None if no handler ever saw it.
    """

    error: Exception
    attempts: int
    handler: str | None = None

    @property
    def error_class(self) -> str:
        return self.error.code if isinstance(self.error, AppError) else type(self.error).__name__

    @property
    def reason(self) -> str:
        return str(self.error)[:MAX_REASON]


def topic_of(group: str) -> str:
    return f"{group}.dead-letter"


def dead_letter(group: str, record: Record, failure: Failure) -> Message:
    position = record.position
    why = {
        "deadletter-group": group,
        "deadletter-handler": failure.handler or "",
        "deadletter-reason": failure.reason,
        "deadletter-error": failure.error_class,
        "deadletter-attempts": str(failure.attempts),
        "deadletter-topic": position.partition.topic,
        "deadletter-partition": str(position.partition.number),
        "deadletter-offset": str(position.offset),
    }
    return Message(
        topic=topic_of(group),
        key=record.key or b"",
        value=record.value or b"",
        headers=(*record.headers, *((name, text.encode()) for name, text in why.items())),
    )
