"""The envelope around an event: CloudEvents 1.0 in the binary mode of its Kafka binding.

The record's value is the event's JSON and its key the aggregate's id. The attributes are headers
with the prefix `ce_`; `contextid`, `causationid`, `actor`, `sessionid` and `schemaversion` are
extensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.context import accept_context_id
from libs.errors import InvalidInput
from libs.events.bus import Headers, Message, Record

CONTENT_TYPE = "application/json"


class MalformedEvent(InvalidInput):
    """A record is no event of ours; trying again is of no use."""

    code = "events.malformed"
    title = "The record is not an event that can be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event on its way.

    Attributes:
        id: of the event; the same however often it is published.
        type: which event it is.
        source: where it comes from, `/throughline/<module>`.
        time: when it happened.
        subject: the id of the aggregate; the key of the record.
        version: of the event's schema.
        topic: without prefix.
        context_id, actor, session_id: of the request that led to it.
        causation_id: what caused it: an event's id, or None.
        data: the event's JSON.
    """

    id: UUID
    type: str
    source: str
    time: datetime
    subject: str
    version: int
    topic: str
    context_id: str
    causation_id: str | None
    actor: str | None
    session_id: str | None = None
    data: bytes

    def to_headers(self) -> Headers:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(self.id),
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_subject": self.subject,
            "ce_contextid": self.context_id,
            "ce_schemaversion": str(self.version),
            "content-type": CONTENT_TYPE,
        }
        if self.causation_id is not None:
            headers["ce_causationid"] = self.causation_id
        if self.actor is not None:
            headers["ce_actor"] = self.actor
        if self.session_id is not None:
            headers["ce_sessionid"] = self.session_id
        return tuple((name, value.encode()) for name, value in headers.items())

    def to_message(self) -> Message:
        return Message(
            topic=self.topic,
            key=self.subject.encode(),
            value=self.data,
            headers=self.to_headers(),
        )

    @classmethod
    def from_record(cls, record: Record) -> "Envelope":
        """The envelope of what was received.

        Raises:
            MalformedEvent: it is none, or a header that is needed is missing or wrong.
        """
        headers = _decode(record.headers)
        if record.value is None:
            raise MalformedEvent("the record has no value")
        if not _need(headers, "ce_specversion").startswith("1."):
            raise MalformedEvent("ce_specversion is not 1.x")
        context_id = accept_context_id(_need(headers, "ce_contextid"))
        if context_id is None:
            raise MalformedEvent("ce_contextid is not a context id")
        try:
            return cls(
                id=UUID(_need(headers, "ce_id")),
                type=_need(headers, "ce_type"),
                source=_need(headers, "ce_source"),
                time=_time(_need(headers, "ce_time")),
                subject=_need(headers, "ce_subject"),
                version=int(_need(headers, "ce_schemaversion")),
                topic=record.position.partition.topic,
                context_id=context_id,
                causation_id=headers.get("ce_causationid"),
                actor=headers.get("ce_actor"),
                session_id=headers.get("ce_sessionid"),
                data=record.value,
            )
        except ValueError as error:
            raise MalformedEvent(f"a header has a value of the wrong form: {error}") from error


def _decode(headers: Headers) -> Mapping[str, str]:
    try:
        return {name: value.decode() for name, value in headers if name.startswith("ce_")}
    except (UnicodeDecodeError, AttributeError) as error:
        raise MalformedEvent("a header is not UTF-8 text") from error


def _need(headers: Mapping[str, str], name: str) -> str:
    if value := headers.get(name):
        return value
    raise MalformedEvent(f"the header {name} is missing")


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("ce_time has no zone")
    return time
