"""From what the first release has left to the current form, by the command, while it is in use."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Final

import pytest
from redis.asyncio import Redis

from libs.documents.documents import Documents
from libs.documents.versions import MIN_READER
from services.api.catalog.documents import COLLECTION
from services.api.catalog.seed import services
from tests.integration.api.services import PATH, Admin
from tests.integration.api.system import EUR_DAY, System
from tests.releases import catalog_form_1

ADDED: Final = ("created_by", "updated_by", "deleted_at", MIN_READER)
INDEXES: Final[list[tuple[list[tuple[str, int]], bool]]] = [
    ([("slug", 1)], True),
    ([("category", 1), ("active", 1), ("name", 1), ("_id", 1)], False),
    ([("name", 1), ("_id", 1)], False),
]


async def throughline(environ: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run the command; returns its exit status and what it says to people."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli.main", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environ},
    )
    _, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


async def as_the_first_release_left_it(documents: Documents) -> None:
    collection = documents.collection(COLLECTION)
    async for document in collection.find():
        older = {name: value for name, value in document.items() if name not in ADDED}
        older |= {"schema_version": 1, "tags": [*document["tags"], "Spelt Otherwise"]}
        catalog_form_1.from_document(older)
        await collection.replace_one({"_id": document["_id"]}, older)
    await collection.drop_indexes()
    for keys, unique in INDEXES:
        await collection.create_index(keys, unique=unique)


@pytest.fixture
async def admin(system: System) -> Admin:
    await as_the_first_release_left_it(system.runtime.share(Documents))
    return Admin.of(system)


async def test_what_the_first_release_left_is_served_and_migrated(
    environ: dict[str, str], redis_url: str, admin: Admin
) -> None:
    status, told = await throughline(environ, "documents", "check", "api")
    assert status == 1
    assert f"{len(services())} of version 1: to be migrated" in told
    assert "index live_by_name: missing" in told
    assert "index slug_1: retired" in told
    assert "index name_1__id_1" not in told, "the first release may be running still"

    prepare = admin.system.runtime.wired["api"].prepare
    assert prepare is not None
    await prepare()
    listed = f"{PATH}?limit=100"
    before = [await admin.get(listed), await admin.get(f"{PATH}/{EUR_DAY}")]
    assert "spelt-otherwise" in before[1]["tags"]

    status, told = await throughline(environ, "documents", "migrate", "api", "--dry-run")
    assert (status, told.splitlines()[-1]) == (
        0,
        f"services: {len(services())} would be migrated, 0 cannot be read",
    )
    assert len(await admin.documents(schema_version=1)) == len(services())
    status, told = await throughline(environ, "documents", "migrate", "api", "--batch", "10")
    assert (status, told.splitlines()[:2]) == (0, ["services: 10 of 25", "services: 20 of 25"])

    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    after = [await admin.get(listed), await admin.get(f"{PATH}/{EUR_DAY}")]
    assert after == before
    tagged = await admin.get(f"{PATH}?tag=spelt-otherwise&limit=100")
    assert len(tagged["items"]) == len(services())
    assert (await throughline(environ, "documents", "check", "api", "--read"))[0] == 0


async def test_it_is_safe_while_in_use(environ: dict[str, str], admin: Admin) -> None:
    """Administrators change services of all forms; every change counts, and the migration ends."""
    await admin.system.runtime.share(Documents).prepare()
    paths = [f"{PATH}/{service.id}" for service in services()]

    async def change(path: str) -> None:
        for version in range(1, 4):
            patch = {"config": {f"change{version}": version}}
            assert (await admin.patch(path, patch, version=version)).status_code == 200

    migrating = asyncio.create_task(
        throughline(environ, "documents", "migrate", "api", "--batch", "1")
    )
    while not migrating.done():
        await asyncio.gather(*map(change, [paths.pop() for _ in range(min(3, len(paths)))]))
        if not paths:
            break
    assert (await migrating)[0] == 0
    documents = await admin.documents()
    assert {(d["schema_version"], d[MIN_READER]) for d in documents} == {(3, 2)}
    changed = [document for document in documents if document["version"] > 1]
    assert changed
    for document in changed:
        assert document["version"] == 4
        assert {"change1", "change2", "change3"} <= document["config"].keys()
        assert "spelt-otherwise" in document["tags"]


async def test_a_broken_document_is_told_of(environ: dict[str, str], admin: Admin) -> None:
    documents = admin.system.runtime.share(Documents)
    await documents.collection(COLLECTION).update_one({"_id": EUR_DAY}, {"$set": {"tags": 7}})
    await documents.prepare()
    reason = f"  {EUR_DAY} cannot be read: it is not of the schema version 2 (TypeError)"
    status, told = await throughline(environ, "documents", "migrate", "api")
    assert (status, told.splitlines()[-1]) == (1, reason)
    status, told = await throughline(environ, "documents", "check", "--read", "api")
    assert status == 1
    assert "1 of version 1: to be migrated" in told
    assert reason in told.splitlines()
