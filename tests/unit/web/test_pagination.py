"""Cursors, pages, and the links between them."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from libs.auth.guards import anyone
from libs.ids import uuid7
from libs.web.pagination import (
    MAX_CURSOR_LENGTH,
    Cursor,
    Cursors,
    InvalidCursor,
    Limit,
    cut,
    page_response,
    render,
)
from libs.web.routing import api_router
from tests.unit.web.app import client

KEY = b"a key for cursors"
BY_TIME = "things by time"
CURSORS: Cursors[tuple[datetime, UUID]] = Cursors(BY_TIME, tuple[datetime, UUID], KEY)
POSITION = (datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC), uuid7())
FILTERS = {"status": "PENDING", "after": None}


def test_a_cursor_leads_back_to_its_position() -> None:
    assert CURSORS.read(CURSORS.write(POSITION, FILTERS), FILTERS) == POSITION


def test_a_cursor_fits_into_an_address() -> None:
    cursor = CURSORS.write(POSITION, FILTERS)
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_the_first_page() -> None:
    assert CURSORS.read(None, FILTERS) is None


@pytest.mark.parametrize("filters", [{"status": "CONFIRMED", "after": None}, {}])
def test_a_cursor_of_other_filters_is_refused(filters: dict[str, object]) -> None:
    with pytest.raises(InvalidCursor) as caught:
        CURSORS.read(CURSORS.write(POSITION, FILTERS), filters)
    assert caught.value.errors[0].pointer == "/query/cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    other: Cursors[tuple[datetime, UUID]] = Cursors("things by name", tuple[datetime, UUID], KEY)
    with pytest.raises(InvalidCursor):
        other.read(CURSORS.write(POSITION, FILTERS), FILTERS)


def test_a_position_of_another_form_is_refused() -> None:
    names: Cursors[tuple[str, str]] = Cursors(BY_TIME, tuple[str, str], KEY)
    forged = names.write(("yesterday", "x"), FILTERS)
    with pytest.raises(InvalidCursor):
        CURSORS.read(forged, FILTERS)


def test_a_cursor_that_another_key_signed_is_refused() -> None:
    other: Cursors[tuple[datetime, UUID]] = Cursors(BY_TIME, tuple[datetime, UUID], b"another key")
    with pytest.raises(InvalidCursor):
        CURSORS.read(other.write(POSITION, FILTERS), FILTERS)


def test_a_position_that_nobody_signed_is_refused() -> None:
    position = orjson.dumps(["2026-01-31T12:00:00Z", str(uuid7())])
    for signature in (b"", bytes(16), b"x" * 16):
        forged = base64.urlsafe_b64encode(signature + position).rstrip(b"=").decode()
        with pytest.raises(InvalidCursor):
            CURSORS.read(forged, FILTERS)


def test_no_bit_of_a_cursor_may_be_another() -> None:
    cursor = CURSORS.write(POSITION, FILTERS)
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for number in range(len(raw)):
        changed = raw[:number] + bytes([raw[number] ^ 1]) + raw[number + 1 :]
        with pytest.raises(InvalidCursor):
            CURSORS.read(base64.urlsafe_b64encode(changed).decode(), FILTERS)


def test_the_order_in_which_filters_are_named_does_not_matter() -> None:
    cursor = CURSORS.write(POSITION, FILTERS)
    assert CURSORS.read(cursor, dict(reversed(FILTERS.items()))) == POSITION


def test_a_cursor_shows_nothing_of_its_key() -> None:
    cursor = CURSORS.write(POSITION, FILTERS)
    assert KEY not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@pytest.mark.parametrize("cursor", ["", "a", "????", "bnVsbA", "W10", "eyJhIjoxfQ", "é", "AAAA"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(cursor, FILTERS)


def test_a_page_is_cut_where_another_one_follows() -> None:
    assert cut([1, 2, 3], 2) == ([1, 2], 2)
    assert cut([1, 2], 2) == ([1, 2], None)
    assert cut([], 2) == ([], None)


def test_a_page_takes_ready_json() -> None:
    page = render([orjson.Fragment(b'{"a":1}')], None)
    assert orjson.loads(page) == {"items": [{"a": 1}], "nextCursor": None}


LETTERS = "abcdefg"
BY_LETTER: Cursors[str] = Cursors("letters", str, KEY)


def _letters() -> APIRouter:
    """A list of seven letters, in pages."""
    routes = api_router(tag="letters")

    @routes.get("/v1/things/letters", dependencies=[anyone])
    async def list_letters(
        request: Request,
        limit: Annotated[Limit, Query()] = 3,
        cursor: Annotated[Cursor | None, Query()] = None,
        kind: str = "",
    ) -> Response:
        after = BY_LETTER.read(cursor, {"kind": kind})
        rest = [letter for letter in LETTERS if after is None or letter > after]
        items, last = cut(rest, limit)
        following = None if last is None else BY_LETTER.write(last, {"kind": kind})
        return page_response(request, items, following)

    return routes


async def _walk(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """All pages, each by the link in the one before."""
    pages = []
    while path:
        answer = await http.get(path)
        assert answer.status_code == 200
        pages.append(answer.json())
        assert (answer.json()["nextCursor"] is None) == ("next" not in answer.links)
        path = answer.links.get("next", {}).get("url", "")
    return pages


async def test_links_lead_through_the_list() -> None:
    async with client(_letters()) as http:
        pages = await _walk(http, "/v1/things/letters")
    assert ["".join(page["items"]) for page in pages] == ["abc", "def", "g"]


async def test_a_link_keeps_what_was_asked_for() -> None:
    async with client(_letters()) as http:
        answer = await http.get("/v1/things/letters", params={"kind": "ä &<>\r\nX: y", "limit": 2})
        target = urlsplit(answer.links["next"]["url"])
        assert (target.scheme, target.netloc, target.path) == ("", "", "/v1/things/letters")
        assert parse_qs(target.query) == {
            "kind": ["ä &<>\r\nX: y"],
            "limit": ["2"],
            "cursor": [answer.json()["nextCursor"]],
        }
        again = await http.get(answer.links["next"]["url"])
    assert again.json()["items"] == ["c", "d"]
    assert parse_qs(urlsplit(again.links["next"]["url"]).query)["limit"] == ["2"]


async def test_a_page_of_other_filters_is_refused_over_http() -> None:
    async with client(_letters()) as http:
        cursor = (await http.get("/v1/things/letters")).json()["nextCursor"]
        answer = await http.get("/v1/things/letters", params={"cursor": cursor, "kind": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    assert answer.json()["errors"][0]["pointer"] == "/query/cursor"


async def test_a_cursor_is_not_read_to_its_end_whatever_its_length() -> None:
    async with client(_letters()) as http:
        answer = await http.get(
            "/v1/things/letters", params={"cursor": "x" * (MAX_CURSOR_LENGTH + 1)}
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "x", "", "9" * 5000])
async def test_limits_that_are_none(limit: str) -> None:
    async with client(_letters()) as http:
        answer = await http.get("/v1/things/letters", params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/limit")
