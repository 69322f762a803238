"""Declared indexes over a real server: made, kept, dropped, compared."""

import asyncio

import pytest

from libs.documents.collections import Collection
from libs.documents.documents import Documents
from libs.documents.errors import IndexDrift
from libs.documents.indexes import Drift, Index
from libs.documents.versions import Versions

BY_NAME = Index(name="by_name", keys=(("category", 1), ("name", -1)))
ACTIVE = Index(name="active", keys=(("name", 1),), unique=True, where={"active": True})
OLD = Index(name="old", keys=(("at", 1),), expire_after_s=60)


def _things(*indexes: Index, retired: tuple[str, ...] = ()) -> Collection[object]:
    return Collection(
        name="things", versions=Versions(), parse=dict, indexes=indexes, retired=retired
    )


async def _names(documents: Documents) -> set[str]:
    async with documents.operation():
        return set(await documents.collection("things").index_information())


async def test_indexes_are_created_once(documents: Documents) -> None:
    things = _things(BY_NAME, ACTIVE, OLD)
    documents.declare(things)
    await asyncio.gather(*(documents.prepare() for _ in range(3)))
    await documents.prepare()
    assert await _names(documents) == {"_id_", "by_name", "active", "old", "schema_version"}
    async with documents.operation():
        assert not await documents.drift(things)


async def test_an_index_that_differs_is_left_and_told(documents: Documents) -> None:
    async with documents.operation():
        await documents.collection("things").create_index([("name", 1)], name="active")
    documents.declare(_things(BY_NAME, ACTIVE))
    with pytest.raises(IndexDrift, match=r"things\.active"):
        await documents.prepare()
    assert await _names(documents) == {"_id_", "active"}


async def test_what_is_retired_is_dropped_and_nothing_else(documents: Documents) -> None:
    things = _things(BY_NAME, retired=("gone",))
    documents.declare(things)
    async with documents.operation():
        for name in ("gone", "somebodys"):
            await documents.collection("things").create_index([(name, 1)], name=name)
        drift = await documents.drift(things)
    assert drift == Drift(
        missing=("by_name", "schema_version"), retired=("gone",), surplus=("somebodys",)
    )
    await asyncio.gather(*(documents.prepare() for _ in range(3)))
    assert await _names(documents) == {"_id_", "by_name", "somebodys", "schema_version"}
