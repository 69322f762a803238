from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from libs.ids import uuid7
from libs.web.pagination import Cursors, InvalidCursor, cut, render

CURSORS: Cursors[tuple[datetime, UUID]] = Cursors("things by time", tuple[datetime, UUID])
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
    other: Cursors[tuple[datetime, UUID]] = Cursors("things by name", tuple[datetime, UUID])
    with pytest.raises(InvalidCursor):
        other.read(CURSORS.write(POSITION, FILTERS), FILTERS)


def test_a_position_of_another_form_is_refused() -> None:
    names: Cursors[tuple[str, str]] = Cursors("things by time", tuple[str, str])
    forged = names.write(("yesterday", "x"), FILTERS)
    with pytest.raises(InvalidCursor):
        CURSORS.read(forged, FILTERS)


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
