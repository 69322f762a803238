"""What becomes of a record that cannot be handled.

It goes to the group's dead-letter topic as it came: key, value and headers unchanged, so that it
can be published again to where it came from. Headers with the prefix `deadletter-` say why it is
there.
"""

import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from libs.errors import AppError
from libs.events.bus import Message, Record
from libs.events.topics import dead_letter_topic
from libs.logging import scrub

PREFIX: Final = "deadletter-"
MAX_REASON: Final = 1000
MAX_FRAMES: Final = 8


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
        return scrub(str(self.error))[:MAX_REASON]

    @property
    def stack(self) -> str:
        """Where it happened, innermost last: places in the code, and no values."""
        frames = traceback.extract_tb(self.error.__traceback__)[-MAX_FRAMES:]
        return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)


def dead_letter(group: str, record: Record, failure: Failure) -> Message:
    position = record.position
    why = {
        "group": group,
        "handler": failure.handler or "",
        "reason": failure.reason,
        "error": failure.error_class,
        "stack": failure.stack,
        "attempts": str(failure.attempts),
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "topic": position.partition.topic,
        "partition": str(position.partition.number),
        "offset": str(position.offset),
    }
    # One that was replayed and fails again has only the latest reasons.
    original = tuple(h for h in record.headers if not h[0].startswith(PREFIX))
    return Message(
        topic=dead_letter_topic(group),
        key=record.key or b"",
        value=record.value or b"",
        headers=(*original, *((PREFIX + name, text.encode()) for name, text in why.items())),
    )
