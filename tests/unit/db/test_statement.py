import pytest

from libs.db.statement import Statement

INSERT = "INSERT INTO things (id, name, twice) SELECT :id::uuid, :name, :name"


def test_parameters_are_numbered_and_casts_are_left_alone() -> None:
    statement = Statement(INSERT)
    assert statement.sql == "INSERT INTO things (id, name, twice) SELECT $1::uuid, $2, $2"
    assert statement.arguments({"name": "x", "id": 7}) == [7, "x"]


def test_parts_share_their_values() -> None:
    statement = Statement(f"WITH a AS ({INSERT}) DELETE FROM others WHERE id = :id AND at < :at")  # noqa: S608
    assert statement.sql.endswith("id = $1 AND at < $3")
    assert statement.arguments({"id": 1, "name": 2, "at": 3, "surplus": 4}) == [1, 2, 3]


def test_a_value_that_is_missing_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Statement(INSERT).arguments({"id": 7})
