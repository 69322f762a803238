from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.events.bus import Headers, Partition, Position, Record
from libs.events.envelope import Envelope, MalformedEvent
from tests.events import Noted, envelope_of


def record_of(envelope: Envelope, **changed: bytes | None) -> Record:
    """As received; a header with the value None is left out."""
    message = envelope.to_message()
    headers = {**dict(message.headers), **changed}
    kept: Headers = tuple((name, value) for name, value in headers.items() if value is not None)
    return Record(Position(Partition(message.topic, 0), 7), message.key, message.value, kept)


def test_it_comes_back_the_same() -> None:
    envelope = envelope_of(Noted(note_id="1", text="x"), causation_id="cause", version=3)
    assert Envelope.from_record(record_of(envelope)) == envelope


def test_the_session_of_who_acted_goes_along() -> None:
    envelope = envelope_of(Noted(note_id="1"), session_id="session-1")
    assert dict(envelope.to_headers())["ce_sessionid"] == b"session-1"
    assert Envelope.from_record(record_of(envelope)).session_id == "session-1"


def test_it_comes_back_the_same_without_what_may_be_missing() -> None:
    envelope = envelope_of(Noted(note_id="1"), actor=None)
    assert Envelope.from_record(record_of(envelope)) == envelope


def test_headers_are_those_of_cloudevents_in_binary_mode() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    envelope = envelope_of(Noted(note_id="1"), time=time, causation_id="cause")
    headers = {name: value.decode() for name, value in envelope.to_headers()}
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": str(envelope.id),
        "ce_type": "Noted",
        "ce_source": "/throughline/sender",
        "ce_time": "2026-01-02T03:04:05.000678Z",
        "ce_subject": "1",
        "ce_contextid": "ctx-of-a-test",
        "ce_causationid": "cause",
        "ce_actor": "user-1",
        "ce_schemaversion": "1",
        "content-type": "application/json",
    }


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_specversion", None),
        ("ce_specversion", b"0.3"),
        ("ce_id", None),
        ("ce_id", b"no-uuid"),
        ("ce_type", None),
        ("ce_type", b""),
        ("ce_source", None),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-01-02T03:04:05"),
        ("ce_subject", None),
        ("ce_contextid", None),
        ("ce_contextid", b"short"),
        ("ce_schemaversion", b"one"),
        ("ce_actor", b"\xff\xfe"),
    ],
)
def test_a_header_that_is_missing_or_wrong_makes_it_malformed(
    header: str, value: bytes | None
) -> None:
    with pytest.raises(MalformedEvent):
        Envelope.from_record(record_of(envelope_of(Noted(note_id="1")), **{header: value}))


def test_a_tombstone_is_no_event() -> None:
    record = replace(record_of(envelope_of(Noted(note_id="1"))), value=None)
    with pytest.raises(MalformedEvent, match="no value"):
        Envelope.from_record(record)


def test_headers_of_others_are_left_alone() -> None:
    envelope = envelope_of(Noted(note_id="1"))
    assert Envelope.from_record(record_of(envelope, traceparent=b"\xff")) == envelope
