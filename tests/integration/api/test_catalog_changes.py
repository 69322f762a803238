"""Changing the catalogue over HTTP."""

import asyncio
from collections import Counter
from uuid import UUID

import orjson
import pytest

from libs.contracts.api import ServiceChanged
from libs.ids import uuid7
from tests.integration.api.services import PATH, Admin, service_of
from tests.integration.api.system import EUR_DAY, System, json, order_of
from tests.waiting import until


@pytest.fixture
def admin(system: System) -> Admin:
    return Admin.of(system)


async def test_a_service_from_its_beginning_to_its_end(system: System, admin: Admin) -> None:
    made = await admin.create(service_of("a", tags=["b", "a", "b"], config={"unit": "day"}))
    path = made.headers["location"]
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert await admin.get(path) == json(made)
    assert (json(made)["tags"], json(made)["active"]) == (["a", "b"], True)

    patch = {"price": {"amount": "13.00"}, "config": {"unit": None, "min": 2}}
    patched = await admin.patch(path, patch, version=1)
    assert (patched.status_code, patched.headers["etag"]) == (200, '"2"')
    assert json(patched)["price"] == {"amount": "13.00", "currency": "EUR"}
    assert json(patched)["config"] == {"min": 2}

    replaced = await admin.replace(path, service_of("b", active=False), version=2)
    assert (replaced.status_code, json(replaced)["tags"]) == (200, [])
    assert await admin.get(path) == json(replaced)
    assert (await system.place(admin.user, order_of(_id(path)))).status_code == 422

    gone = await admin.delete(path, version=3)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await system.get(admin.user, path)).status_code == 404
    for again in (await admin.delete(path, version=4), await admin.patch(path, {}, version=4)):
        assert (again.status_code, json(again)["code"]) == (404, "catalog.service_not_found")
    (document,) = await admin.documents(slug="b")
    assert (document["version"], document["updated_by"]) == (4, str(admin.user.id))
    assert document["deleted_at"] is not None

    rows = await system.rows("SELECT subject, actor, payload FROM outbox ORDER BY seq")
    events = [ServiceChanged.from_json(row["payload"].encode()) for row in rows]
    changes = [(event.change, event.revision) for event in events]
    assert changes == [("created", 1), ("updated", 2), ("updated", 3), ("deleted", 4)]
    assert {row["actor"] for row in rows} == {str(admin.user.id)}
    assert {row["subject"] for row in rows} == {path.rpartition("/")[2]}


def _id(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


async def test_a_slug_is_one_services(admin: Admin) -> None:
    path = await admin.created("a")
    other = await admin.created("b")
    for refused in (
        await admin.create(service_of("a")),
        await admin.patch(other, {"slug": "a"}, version=1),
        await admin.replace(other, service_of("a"), version=1),
    ):
        assert (refused.status_code, json(refused)["code"]) == (409, "catalog.slug_taken")
        assert [e["pointer"] for e in json(refused)["errors"]] == ["/slug"]
    assert (await admin.delete(path, version=1)).status_code == 204
    assert (await admin.patch(other, {"slug": "a"}, version=1)).status_code == 200


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"a": "x" * 20_000}, "too_large"),
        ({"a": {"b": {"c": {"d": {"e": 1}}}}}, None),
        ({"a": {"b": {"c": {"d": {"e": {}}}}}}, "too_deep"),
        ({"$ref": 1}, "unfit_name"),
        ({"n": 2**64 - 1, "m": [1.5, None, True, "é"]}, None),
    ],
)
async def test_a_config_has_bounds(
    admin: Admin, config: dict[str, object], code: str | None
) -> None:
    response = await admin.create(service_of("a", config=config))
    if code is None:
        assert response.status_code == 201
        assert json(response)["config"] == (await admin.get(response.headers["location"]))["config"]
    else:
        wrong = [(e["pointer"], e["code"]) for e in json(response)["errors"]]
        assert (response.status_code, wrong) == (422, [("/config", code)])


async def test_only_administrators_change_it(system: System, admin: Admin) -> None:
    path = await admin.created("a")
    for role in ("customer", "support", "auditor"):
        other = Admin(system, system.user(role))
        for refused in (
            await other.create(service_of("b")),
            await other.patch(path, {}, version=1),
            await other.replace(path, service_of("b"), version=1),
            await other.delete(path, version=1),
        ):
            assert refused.status_code == 403


async def test_a_change_names_the_version_that_it_is_meant_for(admin: Admin) -> None:
    path = await admin.created("a")
    for missing in (
        await admin.patch(path, {"name": "B"}),
        await admin.replace(path, service_of("b"), version=None),
        await admin.delete(path),
    ):
        assert missing.status_code == 428
    for stale in (
        await admin.patch(path, {"name": "B"}, version=2),
        await admin.replace(path, service_of("b"), version=0),
        await admin.delete(path, version=7),
    ):
        assert stale.status_code == 412
    unknown = f"{PATH}/{uuid7()}"
    assert (await admin.patch(unknown, {"name": "B"}, version=1)).status_code == 404


@pytest.mark.parametrize("patch", [{"name": None}, {"price": None}, {"version": 3}, {"id": "x"}])
async def test_a_patch_that_makes_no_sense_is_refused(
    admin: Admin, patch: dict[str, object]
) -> None:
    path = await admin.created("a")
    response = await admin.patch(path, patch, version=1)
    assert response.status_code == 422
    assert [e["pointer"] for e in json(response)["errors"]] == [f"/{next(iter(patch))}"]


async def test_of_many_with_one_etag_one_wins(system: System, admin: Admin) -> None:
    path = await admin.created("a")
    responses = await asyncio.gather(
        *(admin.patch(path, {"name": f"Name {n}"}, version=1) for n in range(20))
    )
    assert Counter(r.status_code for r in responses) == {200: 1, 412: 19}
    (winner,) = (r for r in responses if r.status_code == 200)
    assert await admin.get(path) == json(winner)
    assert await system.events() == ["ServiceChanged"] * 2


async def test_changes_meant_for_any_version_all_count(system: System, admin: Admin) -> None:
    """None is lost: each is made of what the one before it left."""
    path = await admin.created("a")
    headers = {**admin.user.headers, "If-Match": "*"}
    await asyncio.gather(
        *(system.http.patch(path, json={"config": {f"n{n}": n}}, headers=headers) for n in range(3))
    )
    service = await admin.get(path)
    assert service["config"] == {f"n{n}": n for n in range(3)}
    rows = await system.rows("SELECT payload FROM outbox ORDER BY seq")
    assert [orjson.loads(row["payload"])["revision"] for row in rows] == [1, 2, 3, 4]


class TestIdempotencyKey:
    async def test_the_same_request_gets_the_same_answer(
        self, system: System, admin: Admin
    ) -> None:
        first = await admin.create(service_of("a"), key="k")
        await admin.patch(first.headers["location"], {"name": "B"}, version=1)
        again = await admin.create(service_of("a"), key="k")
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert await system.events() == ["ServiceChanged"] * 2

    async def test_another_request_is_refused(self, system: System, admin: Admin) -> None:
        await admin.create(service_of("a"), key="k")
        other = await admin.create(service_of("b"), key="k")
        assert (other.status_code, json(other)["code"]) == (422, "idempotency.key_reused")
        somebody = Admin.of(system)
        assert (await somebody.create(service_of("b"), key="k")).status_code == 201

    async def test_many_at_once_have_one_effect(self, system: System, admin: Admin) -> None:
        for n in range(5):
            key, body = f"key-{n}", service_of(f"s-{n}")
            responses = await asyncio.gather(*(admin.create(body, key=key) for _ in range(20)))
            assert {r.status_code for r in responses} <= {201, 409}
            assert len({r.content for r in responses if r.status_code == 201}) == 1
        assert len(await admin.documents(category="made-up")) == 5
        assert await system.events() == ["ServiceChanged"] * 5
        counts = await system.counts()
        assert counts["idempotency_keys"] == 5

    @pytest.mark.parametrize("key", ["", "é".encode().decode("latin-1"), "a b", "x" * 256])
    async def test_a_key_is_visible_characters(self, admin: Admin, key: str) -> None:
        headers = {**admin.user.headers, "Idempotency-Key": key.encode("latin-1")}
        response = await admin.system.http.post(PATH, json=service_of("a"), headers=headers)  # type: ignore[arg-type]
        assert response.status_code == 422


async def test_a_change_is_published(working: System) -> None:
    admin = Admin.of(working)
    path = await admin.created("a")
    await admin.patch(path, {"name": "B"}, version=1)
    await admin.delete(path, version=2)
    await until(lambda: len(working.bus.events("services")) == 3, "three events")
    published = working.bus.events("services")
    assert {event.subject for event in published} == {path.rpartition("/")[2]}
    changes = [ServiceChanged.from_json(event.data).change for event in published]
    assert changes == ["created", "updated", "deleted"]


async def test_an_order_keeps_what_it_was_sold_as(system: System, admin: Admin) -> None:
    path = f"{PATH}/{EUR_DAY}"
    placed = json(await system.place(admin.user, order_of(EUR_DAY)))
    assert (await admin.patch(path, {"price": {"amount": "1.00"}}, version=1)).status_code == 200
    cheaper = json(await system.place(admin.user, order_of(EUR_DAY)))
    assert (placed["total"]["amount"], cheaper["total"]["amount"]) == ("1250.00", "1.00")
    assert (await admin.delete(path, version=2)).status_code == 204
    refused = await system.place(admin.user, order_of(EUR_DAY))
    assert refused.status_code == 422
    kept = await system.get(admin.user, f"/v1/orders/{placed['id']}")
    assert json(kept)["lines"] == placed["lines"]
