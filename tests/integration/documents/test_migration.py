"""Bulk migration over a real server, with others at work in the same collection."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from libs.documents.collections import Collection
from libs.documents.documents import Documents
from libs.documents.migration import Migration, Progress, check
from libs.documents.versions import Versions

COUNT = 25


def _doubled(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**{n: v for n, v in document.items() if n != "old"}, "n": document["n"] * 2}


def _signed(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"by": None, **document}


THINGS = Collection(
    name="things",
    versions=Versions(upgrades=(_doubled, _signed), min_reader=2),
    parse=lambda document: int(document["n"]),
    indexes=(),
)


@pytest.fixture
async def things(documents: Documents) -> Documents:
    """A database with documents of all forms."""
    documents.declare(THINGS)
    await documents.prepare()
    every = [
        {"_id": UUID(int=n), "schema_version": 1 + n % 3, "version": 1, "n": n, "old": 1, "x": n}
        for n in range(COUNT)
    ]
    async with documents.operation():
        await documents.collection("things").insert_many(every)
    return documents


async def _all(documents: Documents) -> list[dict[str, Any]]:
    async with documents.operation():
        return await documents.collection("things").find().sort("_id").to_list(None)


def _expected(n: int) -> dict[str, Any]:
    whole = {"_id": UUID(int=n), "schema_version": 3, "version": 1, "x": n}
    if n % 3 == 0:
        return {**whole, "n": 2 * n, "by": None, "min_reader": 2}
    if n % 3 == 1:
        return {**whole, "n": n, "old": 1, "by": None, "min_reader": 2}
    return {**whole, "n": n, "old": 1}


async def test_every_document_becomes_current(things: Documents) -> None:
    told: list[int] = []
    migration = Migration(things, THINGS, batch=4, report=lambda p: told.append(p.migrated))
    progress = await migration.run()
    assert (progress.total, progress.migrated, progress.unreadable) == (17, 17, {})
    assert told == [4, 8, 9, 13, 17]
    assert await _all(things) == [_expected(n) for n in range(COUNT)]
    again = await Migration(things, THINGS).run()
    assert (again.total, again.migrated) == (0, 0)


async def test_a_dry_run_writes_nothing(things: Documents) -> None:
    before = await _all(things)
    progress = await Migration(things, THINGS, dry_run=True).run()
    assert progress.migrated == 17
    assert await _all(things) == before


class Interrupted(Exception):
    """What ends a run in the middle."""


async def test_an_interrupted_run_is_started_again(things: Documents) -> None:
    def interrupt(_: Progress) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await Migration(things, THINGS, batch=4, report=interrupt).run()
    progress = await Migration(things, THINGS, batch=4).run()
    assert progress.total == 13
    assert await _all(things) == [_expected(n) for n in range(COUNT)]


class Meddling(Documents):
    """Lets somebody write between the reading of a batch and its migration."""

    async def meddle(self, migration: Migration) -> Progress:
        move = migration._move

        async def meddling(batch: list[dict[str, Any]]) -> None:
            migration._move = move  # type: ignore[method-assign]
            changed, gone = batch[0]["_id"], batch[1]["_id"]
            async with self.operation():
                there = self.collection("things")
                await there.update_one(
                    {"_id": changed}, {"$set": {"n": 100}, "$inc": {"version": 1}}
                )
                await there.delete_one({"_id": gone})
            await move(batch)

        migration._move = meddling  # type: ignore[method-assign,assignment]
        return await migration.run()


async def test_what_was_changed_meanwhile_is_not_lost(things: Documents) -> None:
    assert things._settings is not None
    meddling = Meddling()
    meddling.configure(things._settings)
    await meddling.open()
    progress = await meddling.meddle(Migration(meddling, THINGS, batch=4))
    await meddling.close()
    assert (progress.migrated, progress.contested) == (16, 2)
    found = {document["_id"].int: document for document in await _all(things)}
    assert found[0] == {**_expected(0), "n": 200, "version": 2}
    assert 3 not in found
    assert {document["schema_version"] for document in found.values()} == {3}


async def test_what_cannot_be_read_is_left_and_told(things: Documents) -> None:
    broken = UUID(int=3)
    async with things.operation():
        await things.collection("things").update_one({"_id": broken}, {"$set": {"n": None}})
    progress = await Migration(things, THINGS).run()
    assert progress.migrated == 16
    assert progress.unreadable == {str(broken): "it is not of the schema version 1 (TypeError)"}
    findings = await check(things, THINGS, read=True)
    assert findings.versions == {1: 1, 3: COUNT - 1}
    assert list(findings.unreadable) == [str(broken)]
    assert not findings.well


async def test_what_a_collection_is_like(things: Documents) -> None:
    findings = await check(things, THINGS)
    assert findings.versions == {1: 9, 2: 8, 3: 8}
    assert not findings.well
    await Migration(things, THINGS).run()
    assert (await check(things, THINGS, read=True)).well
    async with things.operation():
        await things.collection("things").drop_index("schema_version")
    assert not (await check(things, THINGS)).well
