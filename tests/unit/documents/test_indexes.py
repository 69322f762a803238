"""Indexes as they are declared, and as they are."""

from typing import Any

from bson.son import SON

from libs.documents.collections import BY_VERSION, Collection
from libs.documents.indexes import Drift, Index, drift
from libs.documents.versions import Versions

ACTIVE = Index(
    name="active_by_name",
    keys=(("category", 1), ("name", -1)),
    unique=True,
    where={"active": True},
)
OLD = Index(name="old", keys=(("at", 1),), expire_after_s=60)


def _found(index: Index, **changes: Any) -> dict[str, Any]:
    """As a server describes it."""
    document = index.model().document
    return {"v": 2, **document, "key": SON(document["key"]), **changes}


ID = {"v": 2, "key": SON([("_id", 1)]), "name": "_id_"}


def test_what_the_driver_is_told() -> None:
    assert ACTIVE.model().document == {
        "name": "active_by_name",
        "key": {"category": 1, "name": -1},
        "unique": True,
        "partialFilterExpression": {"active": True},
    }
    assert OLD.model().document["expireAfterSeconds"] == 60


def test_no_drift() -> None:
    found = [ID, _found(ACTIVE), _found(OLD, background=True, sparse=False)]
    assert not drift([ACTIVE, OLD], ("gone",), found)


def test_what_is_missing_retired_or_surplus() -> None:
    more = [_found(Index(name=name, keys=(("x", 1),))) for name in ("gone", "whose")]
    assert drift([ACTIVE, OLD], ("gone",), [ID, _found(OLD), *more]) == Drift(
        missing=("active_by_name",), retired=("gone",), surplus=("whose",)
    )


def test_what_differs() -> None:
    for changes in (
        {"key": SON([("name", -1), ("category", 1)])},
        {"key": SON([("category", 1), ("name", 1)])},
        {"unique": False},
        {"partialFilterExpression": {"active": False}},
        {"sparse": True},
        {"hidden": True},
    ):
        found = drift([ACTIVE], (), [ID, _found(ACTIVE, **changes)])
        assert found == Drift(differing=("active_by_name",)), changes


def test_those_of_the_release_before_are_no_drift() -> None:
    things = Collection(
        name="things", versions=Versions(), parse=dict, indexes=(ACTIVE,), kept=("old",)
    )
    assert not things.drift([ID, _found(ACTIVE), _found(OLD), _found(BY_VERSION)])
    assert things.drift([ID, _found(OLD)]).missing == ("active_by_name", "schema_version")
