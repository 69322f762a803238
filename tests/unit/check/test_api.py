"""The OpenAPI document: what it owes its readers, and what it may not take back."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.check import api, release
from tests.check.api_changes import changes
from tests.check.api_document import gaps
from tests.unit.check.conftest import Plant

Document = dict[str, Any]
Change = Callable[[Document], object]

TODAY = date(2026, 6, 1)
CONTEXT_ID = {"X-Context-Id": {"$ref": "#/components/headers/X-Context-Id"}}
PROBLEM = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}
TEXT = {"type": "string", "maxLength": 10, "minLength": 1, "pattern": "^[a-z]+$"}
SIZE = {"type": "integer", "minimum": 1, "maximum": 5}
WANTED = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "size": SIZE,
        "colour": {"enum": ["red", "blue"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}, "maxItems": 3},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Wanted"}},
    },
}
THING = {
    "type": "object",
    "required": ["id", "state", "version"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "state": {"enum": ["new", "old"]},
        "kind": {"enum": ["a"], "x-extensible-enum": True},
        "version": {"type": "integer"},
        "note": {"type": "string", "maxLength": 10},
        "maker": {"anyOf": [{"$ref": "#/components/schemas/Maker"}, {"type": "null"}]},
    },
}
EXAMPLE = {"id": "0198c5d4-7a10-7c3e-9b2f-5d1e8a4c6f70", "state": "new", "version": 1}


def _problem(*codes: str, **headers: Any) -> Document:
    examples = {code: {"value": {"code": code}} for code in codes}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    return {
        "description": "",
        "headers": {**CONTEXT_ID, **headers},
        "content": {"application/problem+json": content},
    }


def _document() -> Document:
    """A document without a gap."""
    header: Document = {"required": True, "schema": {"type": "string"}}
    wait, tag = {"Retry-After": header}, {"ETag": header}
    usual = {
        "401": _problem("unauthenticated", **{"WWW-Authenticate": header}),
        "403": _problem("permission_denied"),
        "406": _problem("not_acceptable"),
        "422": _problem("invalid_input"),
        "503": _problem("unavailable", **wait),
        "504": _problem("deadline_exceeded", **wait),
    }
    limit = {"type": "integer", "maximum": 100, "default": 20}
    thing: Document = {
        "description": "",
        "headers": {**CONTEXT_ID, **tag},
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Thing"},
                "example": EXAMPLE,
            }
        },
    }
    get = {
        "operationId": "getThing",
        "summary": "A thing",
        "tags": ["things"],
        "security": [{"bearer": []}],
        "x-roles": ["admin", "customer"],
        "parameters": [
            {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}},
            {"in": "query", "name": "limit", "schema": limit},
        ],
        "responses": {
            "200": thing,
            "304": {"description": "", "headers": {**CONTEXT_ID, **tag}},
            "404": _problem("things.not_found"),
            **usual,
        },
    }
    post = {
        "operationId": "makeThing",
        "summary": "Make a thing",
        "tags": ["things"],
        "security": [],
        "parameters": [
            {"in": "header", "name": "If-Match", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Wanted"},
                    "example": {"name": "a"},
                },
                "application/merge-patch+json": {"schema": WANTED, "example": {"name": "a"}},
            },
        },
        "responses": {
            "201": {**thing, "headers": {**thing["headers"], "Location": header}},
            "400": _problem("malformed_body"),
            "409": _problem("things.exists", "things.busy"),
            "412": _problem("precondition_failed"),
            "413": _problem("payload_too_large"),
            "415": _problem("unsupported_media_type"),
            "428": _problem("precondition_required"),
            **usual,
        },
    }
    return deepcopy(
        {
            "openapi": "3.1.0",
            "paths": {"/v1/things/{id}": {"get": get}, "/v1/things": {"post": post}},
            "components": {
                "securitySchemes": {"bearer": {"type": "http"}},
                "headers": {"X-Context-Id": header},
                "schemas": {
                    "Problem": PROBLEM,
                    "Tag": TEXT,
                    "Wanted": WANTED,
                    "Thing": THING,
                    "Maker": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
            },
        }
    )


def _get(document: Document) -> Document:
    found: Document = document["paths"]["/v1/things/{id}"]["get"]
    return found


def _post(document: Document) -> Document:
    found: Document = document["paths"]["/v1/things"]["post"]
    return found


def _wanted(document: Document) -> Document:
    """The fields of a body."""
    found: Document = document["components"]["schemas"]["Wanted"]["properties"]
    return found


def _thing(document: Document) -> Document:
    """The fields of an answer."""
    found: Document = document["components"]["schemas"]["Thing"]["properties"]
    return found


def _changed(change: Change) -> Document:
    document = _document()
    change(document)
    return document


def _without(operation: Callable[[Document], Document], status: str) -> Change:
    return lambda document: operation(document)["responses"].pop(status)


GAPS: Mapping[str, tuple[Change, str]] = {
    "another version": (lambda d: d.update(openapi="3.0.3"), "openapi is 3.0.3"),
    "no summary": (lambda d: _get(d).pop("summary"), "GET /v1/things/{id}: has no summary"),
    "no tag": (lambda d: _get(d).pop("tags"), "has no tag"),
    "no name": (lambda d: _get(d).update(operationId="get_thing"), "no operationId in camelCase"),
    "one name twice": (lambda d: _get(d).update(operationId="makeThing"), "2 operations have it"),
    "no security": (lambda d: _get(d).pop("security"), "says neither how to authenticate"),
    "unknown security": (lambda d: _get(d).update(security=[{"x": []}]), "scheme x, which is not"),
    "a body without an example": (
        lambda d: _post(d)["requestBody"]["content"]["application/json"].pop("example"),
        "the body as application/json has no example",
    ),
    "a body without a schema": (
        lambda d: _post(d)["requestBody"]["content"]["application/json"].pop("schema"),
        "the body as application/json has no schema",
    ),
    "a wrong example": (
        lambda d: _get(d)["responses"]["200"]["content"]["application/json"].update(
            example={**EXAMPLE, "id": "x"}
        ),
        "200: the example is wrong at /id",
    ),
    "a wrong example of a problem": (
        lambda d: _get(d)["responses"].update(
            {
                "404": _problem("x")
                | {
                    "content": {
                        "application/problem+json": {
                            "schema": PROBLEM,
                            "examples": {"x": {"value": {}}},
                        }
                    }
                }
            }
        ),
        "404: the example is wrong at /",
    ),
    "no content": (lambda d: _get(d)["responses"]["200"].pop("content"), "200 has no content"),
    "an error that is no problem": (
        lambda d: _get(d)["responses"]["404"].update(
            content={"application/json": {"schema": {}, "example": {}}}
        ),
        "404 is no problem",
    ),
    "no context id": (
        lambda d: _get(d)["responses"]["404"]["headers"].pop("X-Context-Id"),
        "404 has no header X-Context-Id",
    ),
    "no entity tag": (
        lambda d: _get(d)["responses"]["304"]["headers"].pop("ETag"),
        "304 has no header ETag",
    ),
    "no location": (
        lambda d: _post(d)["responses"]["201"]["headers"].pop("Location"),
        "201 has no header Location",
    ),
    **{
        f"GET without {status}": (
            _without(_get, status),
            f"GET /v1/things/{{id}}: does not say that it answers {status}",
        )
        for status in ("304", "401", "403", "404", "406", "422", "503", "504")
    },
    **{
        f"POST without {status}": (
            _without(_post, status),
            f"POST /v1/things: does not say that it answers {status}",
        )
        for status in ("400", "406", "412", "413", "415", "422", "428", "503", "504")
    },
}

BREAKS: Mapping[str, tuple[Change, str]] = {
    "a path is gone": (lambda d: d["paths"].pop("/v1/things"), "POST /v1/things: is gone"),
    "a method is gone": (
        lambda d: d["paths"]["/v1/things"].update(put=d["paths"]["/v1/things"].pop("post")),
        "POST /v1/things: is gone",
    ),
    "another name": (lambda d: _get(d).update(operationId="thing"), "operationId was getThing"),
    "credentials are needed": (
        lambda d: _post(d).update(security=[{"bearer": []}]),
        "POST /v1/things: needs credentials now",
    ),
    "a role is shut out": (
        lambda d: _get(d).update({"x-roles": ["admin"]}),
        "the role customer may not call it",
    ),
    "a parameter is gone": (
        lambda d: _get(d)["parameters"].pop(),
        "query parameter limit is gone",
    ),
    "a parameter is required": (
        lambda d: _get(d)["parameters"][1].update(required=True),
        "query parameter limit is required now",
    ),
    "a new parameter is required": (
        lambda d: _get(d)["parameters"].append(
            {"in": "query", "name": "x", "required": True, "schema": {}}
        ),
        "query parameter x is required now",
    ),
    "a parameter is narrower": (
        lambda d: _get(d)["parameters"][1]["schema"].update(maximum=50),
        "query parameter limit takes less than before: maximum 100 → 50",
    ),
    "a parameter has another type": (
        lambda d: _get(d)["parameters"][1]["schema"].update(type="string"),
        "limit takes less than before",
    ),
    "a parameter means something else when it is left out": (
        lambda d: _get(d)["parameters"][1]["schema"].update(default=50),
        "limit means something else when it is left out: 20 → 50",
    ),
    "a body is not taken": (lambda d: _post(d).pop("requestBody"), "takes no body any more"),
    "a body is required": (
        lambda d: _post(d)["requestBody"].update(required=True),
        "a body is required now",
    ),
    "a media type is not taken": (
        lambda d: _post(d)["requestBody"]["content"].pop("application/merge-patch+json"),
        "does not take application/merge-patch+json any more",
    ),
    "a field is required": (
        lambda d: d["components"]["schemas"]["Wanted"]["required"].append("size"),
        "body/size is required now",
    ),
    "a new field is required": (
        lambda d: (
            _wanted(d).update(x={"type": "string"}),
            d["components"]["schemas"]["Wanted"]["required"].append("x"),
        ),
        "body/x is required now",
    ),
    "a field is not taken": (lambda d: _wanted(d).pop("size"), "body/size is gone"),
    "a field has another type": (
        lambda d: _wanted(d).update(size={"type": "string"}),
        "body/size takes less than before: maximum",
    ),
    "a field cannot be null": (
        lambda d: _wanted(d).update(note={"type": "string"}),
        "body/note takes less than before",
    ),
    "a value is not taken": (
        lambda d: _wanted(d)["colour"]["enum"].remove("red"),
        "body/colour takes less than before: enum ['red', 'blue'] → ['blue']",
    ),
    "a limit": (lambda d: _wanted(d)["size"].update(maximum=4), "maximum 5 → 4"),
    "a limit that was none": (lambda d: _wanted(d)["parts"].update(maxItems=9), "body/parts takes"),
    "a greater least": (lambda d: _wanted(d)["size"].update(minimum=2), "minimum 1 → 2"),
    "a shorter text": (lambda d: _wanted(d)["name"].update(maxLength=9), "body/name takes less"),
    "a longer text": (lambda d: _wanted(d)["name"].update(minLength=2), "body/name takes less"),
    "another pattern": (lambda d: _wanted(d)["name"].update(pattern="^a$"), "body/name takes less"),
    "a format": (lambda d: _wanted(d)["name"].update(format="uuid"), "body/name takes less"),
    "a list that is shorter": (lambda d: _wanted(d)["tags"].update(maxItems=2), "body/tags takes"),
    "a list of less": (
        lambda d: d["components"]["schemas"]["Tag"].update(maxLength=9),
        "body/tags/* takes less than before: maxLength 10 → 9",
    ),
    "only steps": (lambda d: _wanted(d)["size"].update(multipleOf=2), "body/size takes less"),
    "a status is not answered": (
        lambda d: _get(d)["responses"].pop("404"),
        "does not answer 404 any more",
    ),
    "another media type is answered": (
        lambda d: _get(d)["responses"]["200"].update(
            content={"text/plain": {"schema": {"type": "string"}}}
        ),
        "200 is not application/json any more",
    ),
    "a header is gone": (
        lambda d: _get(d)["responses"]["200"]["headers"].pop("ETag"),
        "200 header ETag is gone",
    ),
    "a header can be missing": (
        lambda d: d["components"]["headers"]["X-Context-Id"].update(required=False),
        "404 header X-Context-Id can be missing now",
    ),
    "an answer's field is gone": (
        lambda d: _thing(d).pop("note"),
        "GET /v1/things/{id}: 200/note is gone",
    ),
    "a field in a field is gone": (
        lambda d: d["components"]["schemas"]["Maker"]["properties"].pop("name"),
        "200/maker/name is gone",
    ),
    "an answer's field can be missing": (
        lambda d: d["components"]["schemas"]["Thing"]["required"].remove("state"),
        "200/state can be missing now",
    ),
    "an answer's field has another type": (
        lambda d: _thing(d).update(version={"type": "string"}),
        "200/version can be more than before: type 'integer' → 'string'",
    ),
    "an answer's field can be null": (
        lambda d: _thing(d).update(note={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "200/note can be more than before",
    ),
    "an answer's field has another format": (
        lambda d: _thing(d)["id"].pop("format"),
        "200/id can be more than before: format 'uuid' → None",
    ),
    "a value is answered that was none": (
        lambda d: _thing(d)["state"]["enum"].append("lost"),
        "200/state can be more than before",
    ),
    "a code has another name": (
        lambda d: _post(d)["responses"].update({"409": _problem("things.busy", "things.known")}),
        "409 has other codes: things.exists → things.known",
    ),
}

HARMLESS: Mapping[str, Change] = {
    "nothing": lambda d: d,
    "a path": lambda d: d["paths"].update({"/v1/more": {"get": _get(d)}}),
    "a parameter": lambda d: _get(d)["parameters"].append(
        {"in": "query", "name": "x", "schema": {"type": "string"}}
    ),
    "a field to send": lambda d: _wanted(d).update(x={"type": "string"}),
    "a wider limit": lambda d: _wanted(d)["size"].update(maximum=9, minimum=0),
    "no limit": lambda d: _wanted(d)["name"].pop("maxLength"),
    "another value to send": lambda d: _wanted(d)["colour"]["enum"].append("green"),
    "another type to send": lambda d: _wanted(d).update(size={"anyOf": [SIZE, {"type": "string"}]}),
    "less that is required": lambda d: d["components"]["schemas"]["Wanted"]["required"].clear(),
    "a media type": lambda d: _post(d)["requestBody"]["content"].update(
        {"text/plain": {"schema": {"type": "string"}}}
    ),
    "a field in an answer": lambda d: _thing(d).update(x={"type": "string"}),
    "more that is always there": lambda d: d["components"]["schemas"]["Thing"]["required"].append(
        "note"
    ),
    "a value of an enumeration that may grow": lambda d: _thing(d)["kind"]["enum"].append("b"),
    "a longer text in an answer": lambda d: _thing(d)["note"].update(maxLength=99),
    "a status": lambda d: _get(d)["responses"].update({"409": _problem("things.busy")}),
    "a code": lambda d: _get(d)["responses"].update({"404": _problem("things.not_found", "x")}),
    "a code less": lambda d: _post(d)["responses"].update({"409": _problem("things.busy")}),
    "no credentials": lambda d: _get(d).update({"security": [], "x-roles": ["admin", "customer"]}),
    "words": lambda d: _get(d).update(summary="Other words", description="More words"),
    "a header": lambda d: _get(d)["responses"]["200"]["headers"].update(Link={"schema": {}}),
}


def _breaks(change: Change) -> Iterator[str]:
    return changes(_document(), _changed(change), today=TODAY)


def test_a_document_without_a_gap() -> None:
    assert list(gaps(_document())) == []


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_is_found(gap: str) -> None:
    change, expected = GAPS[gap]
    found = list(gaps(_changed(change)))
    assert any(expected in line for line in found), found


@pytest.mark.parametrize("change", BREAKS)
def test_a_break_is_found(change: str) -> None:
    make, expected = BREAKS[change]
    found = list(_breaks(make))
    assert any(expected in line for line in found), found


@pytest.mark.parametrize("change", HARMLESS)
def test_what_breaks_nothing_is_let_through(change: str) -> None:
    assert list(_breaks(HARMLESS[change])) == []


@pytest.mark.parametrize(
    ("sunset", "gone"), [("2026-05-31", True), ("2026-06-01", True), ("2026-06-02", False)]
)
def test_a_deprecated_operation_may_go_when_its_sunset_has_come(sunset: str, gone: bool) -> None:
    old, new = _document(), _document()
    _post(old)["x-sunset"] = sunset
    del new["paths"]["/v1/things"]
    assert (list(changes(old, new, today=TODAY)) == []) is gone


class TestCheck:
    """The check of a tree."""

    @staticmethod
    def _tree(document: Document, **released: Document) -> dict[str, str]:
        files = {f"tests/releases/{v}/openapi.json": d for v, d in released.items()}
        every = {str(api.DOCUMENT): document, **files}
        return {name: orjson.dumps(content).decode() for name, content in every.items()}

    def test_all_is_well(self, plant: Plant) -> None:
        assert api.check(plant(self._tree(_document(), **{"0.1.0": _document()}))) == []

    def test_a_gap_and_a_break_are_told_with_their_files(self, plant: Plant) -> None:
        new = _changed(lambda d: (_get(d).pop("summary"), _thing(d).pop("note")))
        found = api.check(plant(self._tree(new, **{"0.1.0": _document()})))
        where = f"{api.DOCUMENT}: GET /v1/things/{{id}}:"
        assert found[0] == f"{where} has no summary"
        assert found[1] == f"{where} 200/note is gone (since tests/releases/0.1.0/openapi.json)"

    def test_the_newest_release_counts(self, plant: Plant) -> None:
        more = _changed(lambda d: d["paths"].update({"/v1/more": {"get": _get(d)}}))
        tree = self._tree(_document(), **{"0.9.0": _document(), "0.10.0": more})
        assert any("/v1/more: is gone" in line for line in api.check(plant(tree)))

    def test_nothing_to_compare_with_is_told(self, plant: Plant) -> None:
        (found,) = api.check(plant(self._tree(_document())))
        assert "no release to compare with" in found

    def test_no_document_is_told(self, plant: Plant) -> None:
        (found,) = api.check(plant({"README.md": ""}))
        assert "is missing" in found

    def test_a_correction_is_let_through_as_long_as_it_is_one(
        self, plant: Plant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = "GET /v1/things/{id}: 200/note is gone"
        monkeypatch.setattr(api, "CORRECTIONS", {wrong: "it was never answered"})
        new = _changed(lambda d: _thing(d).pop("note"))
        tree = self._tree(new, **{"0.1.0": _document()})
        assert not any(wrong in line for line in api.check(plant(tree)))
        tree = self._tree(_document(), **{"0.1.0": _document()})
        (found,) = api.check(plant(tree))
        assert "is no correction any more" in found


class TestRelease:
    """python -m tests.check.release."""

    def test_the_document_is_kept(self, plant: Plant) -> None:
        project = plant({str(api.DOCUMENT): "{}"})
        kept = release.keep(project, "1.2.3")
        assert kept == Path("tests/releases/1.2.3/openapi.json")
        assert (project.root / kept).read_text() == "{}"
        assert release.keep(project, "1.2.3") == kept

    def test_a_release_is_not_changed_afterwards(self, plant: Plant) -> None:
        kept = "tests/releases/1.2.3/openapi.json"
        project = plant({str(api.DOCUMENT): "{}", kept: "[]"})
        with pytest.raises(FileExistsError, match="a new release has a new version"):
            release.keep(project, "1.2.3")
        assert (project.root / kept).read_text() == "[]"
