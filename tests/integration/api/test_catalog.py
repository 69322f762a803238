from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.typing import EventDict

from libs.documents.documents import Documents
from libs.embedded.valkey import Valkey
from libs.ids import uuid7
from services.api.catalog.documents import COLLECTION, SERVICES
from services.api.catalog.seed import services
from services.api.module import MODULE
from tests.integration.api.system import EUR_DAY, RETIRED, System, json, started


def _lookups(outcome: str) -> float:
    labels = {"namespace": "services", "outcome": outcome}
    return REGISTRY.get_sample_value("cache_lookups_total", labels) or 0.0


async def test_a_service_is_read(system: System) -> None:
    response = await system.get(system.user(), f"/v1/services/{EUR_DAY}")
    service = json(response)
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    assert (service["slug"], service["version"]) == ("engineering-day", 1)
    assert service["price"] == {"amount": "1250.00", "currency": "EUR"}
    assert service["config"]["cancellation"] == {"freeUntilDays": 3, "feePercent": 50}
    names = {"id", "slug", "name", "category", "description", "price", "tags", "active", "config"}
    assert service.keys() == names | {"createdAt", "updatedAt", "version"}
    known = {**system.user().headers, "If-None-Match": '"1"'}
    again = await system.http.get(f"/v1/services/{EUR_DAY}", headers=known)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", [f"/v1/services/{EUR_DAY}", "/v1/services?category=support"])
async def test_a_second_read_is_a_hit(system: System, path: str) -> None:
    ada = system.user()
    hits, misses = _lookups("hit"), _lookups("miss")
    first = await system.get(ada, path)
    second = await system.get(ada, path)
    assert (second.status_code, second.content) == (200, first.content)
    assert (_lookups("hit") - hits, _lookups("miss") - misses) == (1, 1)


async def test_the_catalogue_is_there_without_redis(
    environ: dict[str, str], database: asyncpg.Connection, tmp_path: Path
) -> None:
    valkey = Valkey(tmp_path, password="its-own")
    await valkey.start()
    try:
        environ = {**environ, "THROUGHLINE_REDIS_URL": valkey.url}
        async with started(environ, database, tasks=False) as system:
            ada = system.user()
            before = await system.get(ada, f"/v1/services/{EUR_DAY}")
            await valkey.stop()
            for path in (f"/v1/services/{EUR_DAY}", "/v1/services"):
                assert (await system.get(ada, path)).status_code == 200
            after = await system.get(ada, f"/v1/services/{EUR_DAY}")
            assert after.content == before.content
            assert (await system.place(ada)).status_code == 201
            health = json(await system.http.get("/health"))["dependencies"]
            assert (health["redis"]["status"], health["mongo"]["status"]) == ("down", "up")
    finally:
        await valkey.stop()


async def test_a_service_that_is_not_there_is_not_found(system: System) -> None:
    response = await system.get(system.user(), f"/v1/services/{uuid7()}")
    assert (response.status_code, json(response)["code"]) == (404, "catalog.service_not_found")


async def test_a_list_is_walked_page_by_page(system: System) -> None:
    names: list[str] = []
    ada, path = system.user(), "/v1/services?limit=10&active=true"
    for _ in range(2):  # the second time from the cache
        names = []
        response = await system.get(ada, path)
        while True:
            names += [service["name"] for service in json(response)["items"]]
            following = response.links.get("next")
            assert (following is None) == (json(response)["nextCursor"] is None)
            if following is None:
                break
            response = await system.get(ada, following["url"])
    assert sorted(names) == sorted(service.name for service in services() if service.active)
    assert names == sorted(names)


async def test_a_list_is_filtered(system: System) -> None:
    ada = system.user()
    security = json(await system.get(ada, "/v1/services", category="security", active="true"))
    assert {service["category"] for service in security["items"]} == {"security"}
    retired = json(await system.get(ada, "/v1/services", active="false"))
    assert [service["id"] for service in retired["items"]] == [str(RETIRED)]
    workshops = json(await system.get(ada, "/v1/services", tag="workshop", category="advisory"))
    assert workshops["items"]
    assert all("workshop" in service["tags"] for service in workshops["items"])


@pytest.mark.parametrize("query", ["limit=0", "active=perhaps", "cursor=x", "colour=red"])
async def test_a_query_that_makes_no_sense_is_refused(system: System, query: str) -> None:
    name = query.partition("=")[0]
    response = await system.get(system.user(), f"/v1/services?{query}")
    assert response.status_code == 422
    assert [e["pointer"] for e in json(response)["errors"]] == [f"/query/{name}"]


async def test_only_who_is_signed_in_reads(system: System) -> None:
    assert (await system.http.get("/v1/services")).status_code == 401
    assert (await system.get(system.user("auditor"), "/v1/services")).status_code == 200


async def test_preparing_and_seeding_may_be_repeated(system: System) -> None:
    wired = system.runtime.wired["api"]
    assert wired.prepare is not None
    assert wired.seed is not None
    collection = system.runtime.share(Documents).collection(COLLECTION)
    await collection.update_one({"_id": EUR_DAY}, {"$set": {"name": "Day", "version": 2}})
    await wired.prepare()
    await wired.seed({})
    names = {index["name"] async for index in collection.list_indexes()}
    assert names == {"_id_", *(index.name for index in SERVICES.all_indexes)}
    assert await collection.count_documents({}) == len(services())
    response = await system.get(system.user(), f"/v1/services/{EUR_DAY}")
    assert (response.headers["etag"], json(response)["name"]) == ('"2"', "Day")


async def test_a_slug_that_is_taken_is_left_out(system: System) -> None:
    wired = system.runtime.wired["api"]
    assert wired.seed is not None
    collection = system.runtime.share(Documents).collection(COLLECTION)
    document = await collection.find_one({"_id": EUR_DAY})
    assert document is not None
    await collection.delete_many({"_id": {"$in": [EUR_DAY, RETIRED]}})
    await collection.insert_one({**document, "_id": uuid7()})
    await wired.seed({})
    assert await collection.count_documents({"slug": document["slug"]}) == 1
    assert await collection.count_documents({"_id": RETIRED}) == 1


async def test_the_collections_of_a_module_are_declared(system: System) -> None:
    assert system.runtime.share(Documents).declared == (SERVICES,)
    assert MODULE.documents == (COLLECTION,)


async def test_a_broken_document_is_told_and_takes_nothing_with_it(
    system: System, log: list[EventDict]
) -> None:
    """The list goes on, also where the broken one would be the last of a page; it alone fails."""
    ordered = sorted(services(), key=lambda service: (service.name, service.id))
    broken, unnamed = ordered[2], ordered[5]
    collection = system.runtime.share(Documents).collection(COLLECTION)
    await collection.update_one({"_id": broken.id}, {"$set": {"price": "a lot"}})
    await collection.update_one({"_id": unnamed.id}, {"$set": {"name": None}})
    ada, names = system.user(), list[str]()
    path = "/v1/services?limit=3"
    while True:
        response = await system.get(ada, path)
        assert response.status_code == 200
        names += [service["name"] for service in json(response)["items"]]
        if "next" not in response.links:
            break
        path = response.links["next"]["url"]
    assert names == [s.name for s in ordered if s not in (broken, unnamed)]
    for service in (broken, unnamed):
        one = await system.get(ada, f"/v1/services/{service.id}")
        assert (one.status_code, json(one)["code"]) == (500, "catalog.service_unreadable")
    assert (await system.get(ada, f"/v1/services/{ordered[0].id}")).status_code == 200
    told = [line for line in log if line["event"] == "document.unreadable"]
    assert {line["documentId"] for line in told} == {str(broken.id), str(unnamed.id)}
    assert not [line for line in log if "a lot" in str(line)]
