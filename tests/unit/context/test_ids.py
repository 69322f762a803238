"""Ids sort by their time."""

from uuid import RFC_4122, UUID

from libs.ids import uuid7


def test_an_id_is_the_standard_librarys_uuid_of_version_7() -> None:
    made = uuid7()
    assert type(made) is UUID
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_are_unique_and_in_order() -> None:
    ids = [uuid7() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
