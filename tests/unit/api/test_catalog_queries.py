"""What lists ask of MongoDB, and the indexes that they name."""

from itertools import product
from typing import Any
from uuid import UUID

import pytest

from services.api.catalog.repository import index_for, query

AFTER = ("Engineering day", UUID(int=7))
FILTERS = [
    {n: v for n, v in zip(("tag", "category", "active"), values, strict=True) if v is not None}
    for values in product(("t", None), ("c", None), (False, None))
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("after", [None, AFTER], ids=["first", "next"])
def test_an_index_gives_a_list_in_its_order(filters: dict[str, Any], after: Any) -> None:
    """Equal values first, then the order: so nothing is sorted, and reading stops at the limit."""
    asked, index = query(filters, after), index_for(filters)
    *equal, name, last = (field for field, _ in index.keys)
    assert (name, last) == ("name", "_id")
    assert all(not isinstance(asked[field], dict) for field in equal)
    assert bool(equal) == bool(filters)
    assert index.where is not None
    assert index.where.items() <= asked.items(), "a partial index has all that is asked for"


def test_a_page_begins_in_the_index_where_the_one_before_ended() -> None:
    name, last = AFTER
    assert query({}, AFTER) == {
        "deleted_at": None,
        "name": {"$gte": name},
        "$or": [{"name": {"$gt": name}}, {"_id": {"$gt": last}}],
    }
