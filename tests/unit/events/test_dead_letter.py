from libs.events.bus import Partition, Position, Record
from libs.events.dead_letter import Failure, dead_letter


def failure(text: str) -> Failure:
    try:
        _fail(text, "hunter2")
    except RuntimeError as error:
        return Failure(error=error, attempts=3, handler="notes.write")
    raise AssertionError


def _fail(text: str, _value: str) -> None:
    raise RuntimeError(text)


RECORD = Record(Position(Partition("notes", 2), 7), b"k", b"{}", (("ce_id", b"1"),))


def test_it_says_why_and_where_it_was() -> None:
    message = dead_letter("receiver", RECORD, failure("no good"))
    assert (message.topic, message.key, message.value) == ("receiver.dead-letter", b"k", b"{}")
    headers = dict(message.headers)
    assert headers["ce_id"] == b"1"
    assert headers["deadletter-reason"] == b"no good"
    assert headers["deadletter-attempts"] == b"3"
    assert headers["deadletter-handler"] == b"notes.write"
    where = [headers[f"deadletter-{name}"] for name in ("topic", "partition", "offset")]
    assert where == [b"notes", b"2", b"7"]
    assert headers["deadletter-time"].endswith(b"Z")


def test_the_stack_names_places_and_no_values() -> None:
    stack = dict(dead_letter("receiver", RECORD, failure("x")).headers)["deadletter-stack"].decode()
    assert stack.endswith(" _fail")
    assert "test_dead_letter.py:" in stack
    assert "hunter2" not in stack


def test_the_reason_tells_no_secret_and_is_short() -> None:
    reason = dict(
        dead_letter("receiver", RECORD, failure("password=hunter2 " + "x" * 5000)).headers
    )["deadletter-reason"]
    assert b"hunter2" not in reason
    assert len(reason) <= 1000


def test_one_that_fails_again_has_the_latest_reasons_only() -> None:
    once = dead_letter("receiver", RECORD, failure("first"))
    again = Record(Position(Partition("notes", 0), 9), once.key, once.value, once.headers)
    headers = dead_letter("receiver", again, failure("second")).headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers)["deadletter-reason"] == b"second"
