"""The document of a service: its forms, and what releases make of each other's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import orjson
import pytest
from bson import Decimal128
from bson.codec_options import CodecOptions
from pydantic import ValidationError

from libs.documents.versions import Unreadable
from services.api.catalog.config import MAX_BYTES, MAX_DEPTH, MAX_MEMBERS
from services.api.catalog.documents import SERVICES, Service, tag_set, to_document
from services.api.catalog.schemas import (
    MAX_TAGS,
    ServiceContent,
    ServicePatch,
    ServiceView,
    content,
    view,
)
from services.api.catalog.seed import services
from tests.releases import catalog_form_1, catalog_form_2
from tests.unit.api.catalog import CONTENT

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, uuid_representation=4)

FORM_1: dict[str, Any] = {
    "_id": UUID("01a20e29-7710-734e-a0ce-100a3f88a516"),
    "schema_version": 1,
    "slug": "a-b",
    "name": "A",
    "category": "c",
    "description": "d",
    "price": {"amount": Decimal128("12.50"), "currency": "EUR"},
    "tags": ["Remote", "On site", "remote"],
    "active": True,
    "config": {"unit": "day", "nested": [{"n": 1}]},
    "created_at": NOW,
    "updated_at": NOW,
    "version": 4,
}
FORM_2 = {
    **FORM_1,
    "schema_version": 2,
    "min_reader": 2,
    "created_by": "ada",
    "updated_by": "grace",
    "deleted_at": None,
}


def _stored(document: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from MongoDB."""
    return dict(bson.decode(bson.encode(document, codec_options=OPTIONS), codec_options=OPTIONS))


@pytest.mark.parametrize("service", services())
def test_a_document_gives_its_service_back(service: Service) -> None:
    document = to_document(service)
    assert isinstance(document["price"]["amount"], Decimal128)
    assert (document["schema_version"], document["min_reader"]) == (3, 2)
    assert SERVICES.read(_stored(document)) == service


class TestForms:
    def test_form_1_had_no_authors(self) -> None:
        service = SERVICES.read(_stored(FORM_1))
        assert (service.created_by, service.updated_by, service.deleted_at) == (None, None, None)
        assert (service.version, service.price.amount) == (4, Decimal("12.50"))

    @pytest.mark.parametrize("document", [FORM_1, FORM_2])
    def test_tags_were_a_list_in_any_spelling(self, document: dict[str, Any]) -> None:
        assert SERVICES.read(_stored(document)).tags == ["on-site", "remote"]

    def test_an_upgrade_changes_no_document(self) -> None:
        before = _stored(FORM_1)
        SERVICES.versions.upgraded(before)
        assert before == _stored(FORM_1)

    def test_what_is_upgraded_stays_so(self) -> None:
        upgraded = SERVICES.versions.upgraded(_stored(FORM_1))
        assert SERVICES.versions.upgraded(upgraded) == upgraded
        assert SERVICES.versions.upgraded({**upgraded, "schema_version": 1}) == upgraded

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"schema_version": None}, "does not say"),
            ({"schema_version": 4, "min_reader": 4}, "newer code"),
            ({"schema_version": 4, "min_reader": None}, "newer code"),
            ({"tags": None}, "schema version 2"),
            ({"tags": 3}, "schema version 2"),
            ({"price": {"amount": Decimal128("1")}}, "price.currency"),
            ({"name": 7}, "name: string_type"),
            ({"version": 0}, "version"),
        ],
    )
    def test_what_cannot_be_read_is_told_without_values(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(Unreadable, match=reason) as raised:
            SERVICES.read(_stored(FORM_1 | changes))
        assert "12.50" not in str(raised.value)


class TestReleases:
    """Who reads what while two releases serve side by side."""

    def test_code_of_form_2_reads_what_this_writes(self) -> None:
        written = to_document(SERVICES.read(_stored(FORM_2)))
        found = catalog_form_2.from_document(_stored(written))
        assert (found.name, found.tags, found.updated_by) == ("A", ["on-site", "remote"], "grace")

    def test_what_code_of_form_2_writes_over_it_is_read_here(self) -> None:
        """A field that it does not know stays."""
        document = {**to_document(SERVICES.read(_stored(FORM_2))), "later": "kept"}
        found = catalog_form_2.from_document(_stored(document))
        found.tags = ["New", *found.tags]
        document |= catalog_form_2.written(found)
        assert (document["schema_version"], document["later"]) == (2, "kept")
        assert SERVICES.read(_stored(document)).tags == ["new", "on-site", "remote"]

    def test_this_reads_what_newer_code_writes_if_that_says_so(self) -> None:
        newer = to_document(services()[0]) | {"schema_version": 4, "min_reader": 3, "later": 1}
        assert SERVICES.read(_stored(newer)) == services()[0].model_copy(
            update={n: newer[n] for n in ("created_at", "updated_at")}
        )

    def test_the_first_release_reads_what_was_not_written_since(self) -> None:
        """It asks for form 1 exactly. So this release leaves form 1 alone until it is told to
        migrate, or an administrator, for whom the first release had no route, writes."""
        assert catalog_form_1.from_document(_stored(FORM_1)).version == 4
        with pytest.raises(ValueError, match="schema version 3"):
            catalog_form_1.from_document(_stored(to_document(services()[0])))


def test_tags_in_one_spelling() -> None:
    assert tag_set(["  Très  cher ", "b", "B", "-", "x" * 39 + "--y"]) == [
        "b",
        "tr-s-cher",
        "x" * 39,
    ]


def test_a_service_is_answered_as_the_document_of_the_api_says() -> None:
    service = services()[0]
    shown = orjson.loads(orjson.dumps(view(service)))
    assert ServiceView.model_validate(shown).model_dump(mode="json", by_alias=True) == shown
    assert ServiceContent.model_validate(content(service))


def test_a_service_is_answered_with_its_price_in_text() -> None:
    whole = services()[0]
    whole.price.amount = Decimal(3)
    assert view(whole)["price"] == {"amount": "3.00", "currency": "EUR"}


def _nested(depth: int) -> dict[str, Any]:
    return {"a": _nested(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"a b": None, "ü$": [True, 1.5, "x", -(2**63)], "x": {"y": {}}},
        _nested(MAX_DEPTH),
        {str(n): n for n in range(MAX_MEMBERS)},
        {"a": "x" * (MAX_BYTES - 8)},
    ],
)
def test_a_config_is_free(config: dict[str, Any]) -> None:
    assert ServiceContent.model_validate(CONTENT | {"config": config}).config == config


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"a": "x" * (MAX_BYTES - 7)}, "too_large"),
        ({"a": "é" * (MAX_BYTES // 2)}, "too_large"),
        (_nested(MAX_DEPTH + 1), "too_deep"),
        ({"a": [[[[[]]]]]}, "too_deep"),
        ({str(n): n for n in range(MAX_MEMBERS + 1)}, "too_many_members"),
        ({"a": [0] * (MAX_MEMBERS + 1)}, "too_many_members"),
        ({"$where": 1}, "unfit_name"),
        ({"a": [{"b.c": 1}]}, "unfit_name"),
        ({"": 1}, "unfit_name"),
        ([], "dict_type"),
        (None, "dict_type"),
    ],
)
def test_a_config_has_bounds(config: object, code: str) -> None:
    for model in (ServiceContent, ServicePatch):
        with pytest.raises(ValidationError) as raised:
            model.model_validate(CONTENT | {"config": config})
        assert [(e["loc"], e["type"]) for e in raised.value.errors()] == [(("config",), code)]


def test_a_number_in_a_config_can_be_stored() -> None:
    config = {"a": [2**63, -(2**64), True, 2**63 - 1]}
    stored = ServiceContent.model_validate(CONTENT | {"config": config}).config
    assert stored == {"a": [float(2**63), -float(2**64), True, 2**63 - 1]}
    assert bson.decode(bson.encode(stored)) == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": {"amount": 12.5, "currency": "EUR"}},
        {"price": {"amount": "-1.00", "currency": "EUR"}},
        {"price": {"amount": "1.005", "currency": "EUR"}},
        {"price": {"amount": "1000000000", "currency": "EUR"}},
        {"price": {"amount": "1", "currency": "eur"}},
        {"slug": "A"},
        {"slug": "a--b"},
        {"slug": "a\n"},
        {"name": ""},
        {"name": "a\x85"},
        {"name": "x" * 161},
        {"tags": ["On site"]},
        {"tags": [f"t{n}" for n in range(MAX_TAGS + 1)]},
        {"active": "yes"},
        {"active": None},
        {"colour": "red"},
    ],
)
def test_what_a_service_cannot_be(wrong: dict[str, Any]) -> None:
    for model in (ServiceContent, ServicePatch):
        with pytest.raises(ValidationError):
            model.model_validate(CONTENT | wrong)
