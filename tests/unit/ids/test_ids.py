from uuid import RFC_4122, UUID

from libs.ids import uuid7


def test_an_id_is_a_version_7_uuid_of_the_standard_library() -> None:
    made = uuid7()

    assert type(made) is UUID
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_are_in_the_order_of_their_making_and_never_the_same() -> None:
    made = [uuid7() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
