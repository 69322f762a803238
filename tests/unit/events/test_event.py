import subprocess
import sys

import pytest
from pydantic import ValidationError

from libs.events.event import Event
from tests.events import Noted


def test_the_type_is_the_name_of_the_class_unless_set() -> None:
    class Renamed(Noted):
        type = "Noted2"

    assert (Noted.type, Renamed.type) == ("Noted", "Noted2")


def test_json_is_in_camel_case_and_comes_back_the_same() -> None:
    event = Noted(note_id="1", text="ü")
    assert event.to_json() == '{"noteId":"1","text":"ü"}'.encode()
    assert Noted.from_json(event.to_json()) == event


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert Noted.from_json(b'{"noteId":"1","newer":{"a":1}}') == Noted(note_id="1")


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(ValidationError):
        Noted.from_json(b"{}")


def test_an_event_does_not_change() -> None:
    event = Noted(note_id="1")
    with pytest.raises(ValidationError):
        event.text = "other"  # type: ignore[misc]


def test_an_event_without_a_key_cannot_be_made() -> None:
    class Keyless(Event):
        topic = "notes"

    with pytest.raises(TypeError, match="abstract"):
        Keyless()  # type: ignore[abstract]


@pytest.mark.parametrize("module", ["event", "settings", "bus", "envelope", "memory"])
def test_a_contract_costs_no_driver(module: str) -> None:
    script = f"""
import sys, libs.events.{module}
sys.exit(", ".join({{"aiokafka", "asyncpg", "tortoise"}} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""
