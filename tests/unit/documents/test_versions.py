"""Forms of documents, and who reads which."""

from collections.abc import Mapping
from typing import Any

import pytest

from libs.documents.collections import UNREADABLE, Collection
from libs.documents.versions import Unreadable, Versions


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    first, last = document["name"].split()
    return {"first": first, "last": last, **{n: v for n, v in document.items() if n != "name"}}


def _greeted(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "greeting": f"Hello {document['first']}"}


VERSIONS = Versions(upgrades=(_named, _greeted), min_reader=2)
PEOPLE = Collection(
    name="people", versions=VERSIONS, parse=lambda d: str(d["greeting"]), indexes=()
)
FIRST = {"_id": 1, "schema_version": 1, "name": "Ada Lovelace"}
NOW = {
    "_id": 1,
    "schema_version": 3,
    "min_reader": 2,
    "first": "Ada",
    "last": "Lovelace",
    "greeting": "Hello Ada",
}


@pytest.mark.parametrize(
    "document", [FIRST, {"schema_version": 2, "_id": 1, "first": "Ada", "last": "Lovelace"}, NOW]
)
def test_every_older_form_is_led_to_the_current_one(document: dict[str, Any]) -> None:
    before = dict(document)
    assert VERSIONS.upgraded(document) == NOW
    assert document == before


def test_a_newer_form_is_read_if_it_says_so() -> None:
    newer = {**NOW, "schema_version": 4, "min_reader": 3, "more": 1}
    assert VERSIONS.upgraded(newer) == newer
    for needed in (4, None, "3"):
        with pytest.raises(Unreadable, match="newer code"):
            VERSIONS.upgraded({**newer, "min_reader": needed})


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True])
def test_a_document_says_its_form(version: object) -> None:
    with pytest.raises(Unreadable, match="does not say"):
        VERSIONS.upgraded({**FIRST, "schema_version": version})


@pytest.mark.parametrize("name", [None, 7, "Ada"])
def test_a_document_that_lies_about_its_form(name: object) -> None:
    with pytest.raises(Unreadable, match="version 1"):
        VERSIONS.upgraded({**FIRST, "name": name})


def test_without_upgrades_there_is_one_form() -> None:
    assert Versions().stamp == {"schema_version": 1, "min_reader": 1}


def test_what_cannot_be_read_is_logged_and_counted(log: list[Any]) -> None:
    before = UNREADABLE.labels("people")._value.get()
    assert PEOPLE.read_or_tell(FIRST) == "Hello Ada"
    assert PEOPLE.read_or_tell({**NOW, "greeting": None}) == "None"
    assert PEOPLE.read_or_tell({**FIRST, "name": "a secret of one"}) is None
    (line,) = log
    assert (line["event"], line["level"]) == ("document.unreadable", "error")
    assert (line["collection"], line["documentId"]) == ("people", "1")
    assert "secret" not in str(line)
    assert UNREADABLE.labels("people")._value.get() == before + 1
