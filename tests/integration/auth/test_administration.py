"""Everybody's accounts."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.ids import uuid7
from services.auth.users.models import User
from services.auth.users.repository import Order, UserFilter, listed
from tests.integration.auth.conftest import Account, Process

USERS = "/v1/users"
NEW = {
    "email": "Eve@example.com",
    "password": "correct horse",
    "displayName": "Eve",
    "roles": ["support", "customer"],
}

ALLOWED = {
    "list": {"support", "admin"},
    "read": {"support", "admin"},
    "list deleted": {"admin"},
    "read deleted": {"admin"},
    "create": {"admin"},
    "change": {"admin"},
    "delete": {"admin"},
    "me": {"customer", "support", "auditor", "admin"},
    "change me": {"customer", "support", "auditor", "admin"},
}


@pytest.mark.parametrize("role", ["customer", "support", "auditor", "admin", "service", None])
async def test_who_may_do_what(process: Process, role: str | None) -> None:
    ada = await process.account("ada")
    caller = await _caller(process, role)
    one, headers = f"{USERS}/{ada.id}", {**caller, "If-Match": "*"}

    async def call(method: str, path: str, body: Any = None) -> httpx.Response:
        return await process.http.request(method, path, json=body, headers=headers)

    answers = {
        "list": await call("GET", USERS),
        "read": await call("GET", one),
        "list deleted": await call("GET", f"{USERS}?includeDeleted=true"),
        "read deleted": await call("GET", f"{one}?includeDeleted=true"),
        "create": await call("POST", USERS, NEW),
        "change": await call("PATCH", one, {"country": "FR"}),
        "delete": await call("DELETE", one),
        "me": await call("GET", "/v1/users/me"),
        "change me": await call("PATCH", "/v1/users/me", {"country": "FR"}),
    }
    done = {what for what, answer in answers.items() if answer.is_success}
    assert done == {what for what, roles in ALLOWED.items() if role in roles}
    refused = {answers[what].status_code for what in answers.keys() - done}
    assert refused <= {401 if role is None else 403}


async def _caller(process: Process, role: str | None) -> dict[str, str]:
    if role is None:
        return {}
    if role == "service":
        form = {
            "grant_type": "client_credentials",
            "client_id": "worker",
            "client_secret": "a-long-random-secret",
        }
        token = (await process.http.post("/v1/auth/token", data=form)).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}
    return (await process.account("caller", role)).headers


async def test_those_who_may_not_do_not_learn_who_is_there(process: Process) -> None:
    ada, eve = await process.account("ada"), await process.account("eve")
    for path in (f"{USERS}/{eve.id}", f"{USERS}/{ada.id}", f"{USERS}/{uuid7()}"):
        assert (await ada.get(path)).status_code == 403
        assert (await ada.patch(path, {"country": "FR"})).status_code == 403
        assert (await ada.delete(path)).status_code == 403


async def test_creating_a_user(process: Process) -> None:
    root = await process.account("root", "admin")
    answer = await root.post(USERS, NEW)
    user = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{USERS}/{user['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (user["email"], user["roles"]) == ("eve@example.com", ["customer", "support"])
    assert (await root.get(answer.headers["location"])).json() == user
    assert (await process.log_in(email="eve@example.com")).status_code == 200
    (row,) = await process.rows("SELECT * FROM users WHERE email = 'eve@example.com'")
    assert (row["created_by"], row["country"]) == (str(root.id), "DE")
    event = (await process.rows("SELECT * FROM outbox WHERE topic = 'users' ORDER BY seq"))[-1]
    assert (event["type"], event["actor"], event["subject"]) == (
        "UserCreated",
        str(root.id),
        user["id"],
    )
    assert (await root.post(USERS, NEW)).json()["code"] == "users.email_taken"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"roles": ["customer", "king"]}, "/roles/1"),
        ({"roles": ["customer", "service"]}, "/roles/1"),
        ({"roles": []}, "/roles"),
        ({"password": "short"}, "/password"),
        ({"version": 7}, "/version"),
        ({"active": False}, "/active"),
    ],
)
async def test_what_no_user_can_be(process: Process, change: dict[str, Any], pointer: str) -> None:
    root = await process.account("root", "admin")
    answer = await root.post(USERS, {**NEW, **change})
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_changing_a_user(process: Process) -> None:
    root, ada = await process.account("root", "admin"), await process.account("ada")
    one = f"{USERS}/{ada.id}"
    before = (await root.get(one)).json()
    answer = await root.patch(one, {"roles": ["support"], "country": "FR"}, version=1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    user = answer.json()
    assert (user["roles"], user["country"]) == (["support"], "FR")
    assert (await root.get(one)).content == answer.content
    assert (await root.patch(one, {"roles": ["admin"]}, version=1)).status_code == 412
    assert (await root.patch(one, {"roles": ["admin"]})).status_code == 428
    (row,) = await process.rows("SELECT * FROM users WHERE id = $1", ada.id)
    assert (row["updated_by"], row["version"]) == (str(root.id), 2)
    assert user["createdAt"] == before["createdAt"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "eve@example.com"}, "/email"),
        ({"password": "another horse"}, "/password"),
        ({"roles": None}, "/roles"),
        ({"active": None}, "/active"),
        ({"active": "false"}, "/active"),
        ({"deletedAt": None}, "/deletedAt"),
    ],
)
async def test_what_nobody_changes_here(
    process: Process, change: dict[str, Any], pointer: str
) -> None:
    root, ada = await process.account("root", "admin"), await process.account("ada")
    answer = await root.patch(f"{USERS}/{ada.id}", change, version=1)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_one_who_is_not_active_any_more(process: Process) -> None:
    root, ada = await process.account("root", "admin"), await process.account("ada")
    assert (await ada.get("/v1/users/me")).status_code == 200
    await root.patch(f"{USERS}/{ada.id}", {"active": False}, version=1)
    for answer in (
        await ada.get("/v1/users/me"),
        await ada.patch("/v1/users/me", {"country": "FR"}, version=2),
        await process.log_in(),
    ):
        assert answer.status_code == 401
    assert (await root.get(f"{USERS}/{ada.id}")).json()["active"] is False
    await root.patch(f"{USERS}/{ada.id}", {"active": True}, version=2)
    assert (await ada.get("/v1/users/me")).status_code == 401  # that session is over
    again = await process.account("ada")
    assert (await again.get("/v1/users/me")).status_code == 200
    events = await process.rows(
        "SELECT type, payload FROM outbox WHERE topic = 'users' ORDER BY seq"
    )
    assert [e["type"] for e in events[-2:]] == ["UserUpdated", "UserUpdated"]
    assert '"active":false' in events[-2]["payload"]
    assert '"active":true' in events[-1]["payload"]


async def test_deleting_a_user(process: Process) -> None:
    root, ada = await process.account("root", "admin"), await process.account("ada")
    one = f"{USERS}/{ada.id}"
    assert (await root.get(one)).status_code == 200
    assert (await root.delete(one)).status_code == 428
    assert (await root.delete(one, version=7)).status_code == 412
    answer = await root.delete(one, version=1)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (
        await root.get(one),
        await root.patch(one, {"country": "FR"}, version=2),
        await root.delete(one, version=2),
    ):
        assert (gone.status_code, gone.json()["code"]) == (404, "users.not_found")
    assert (await ada.get("/v1/users/me")).json()["code"] == "unauthenticated"
    assert (await process.log_in()).status_code == 401
    deleted = (await root.get(f"{one}?includeDeleted=true")).json()
    assert (deleted["version"], deleted["deletedAt"]) == (2, deleted["updatedAt"])
    event = (await process.rows("SELECT * FROM outbox WHERE topic = 'users' ORDER BY seq"))[-1]
    assert (event["type"], event["subject"], event["actor"]) == (
        "UserDeleted",
        str(ada.id),
        str(root.id),
    )
    assert '"revision":2' in event["payload"]


async def test_the_address_of_one_who_was_deleted_is_free_again(process: Process) -> None:
    root, ada = await process.account("root", "admin"), await process.account("ada")
    await root.delete(f"{USERS}/{ada.id}", version=1)
    again = await process.account("ada")
    assert again.id != ada.id
    found = (await root.get(f"{USERS}?email=ada@example.com&includeDeleted=true")).json()["items"]
    assert [user["id"] for user in found] == [str(again.id), str(ada.id)]


async def test_nobody_changes_their_own_rights(process: Process) -> None:
    root = await process.account("root", "admin")
    one = f"{USERS}/{root.id}"
    for answer in (
        await root.patch(one, {"roles": ["customer"]}, version=1),
        await root.patch(one, {"roles": ["admin", "auditor"]}, version=1),
        await root.patch(one, {"active": False}, version=1),
        await root.delete(one, version=1),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "users.own_rights")
    assert (await root.patch(one, {"displayName": "Root"}, version=1)).status_code == 200


DEMOTE = {"roles": ["customer"]}


@pytest.mark.parametrize(
    "take",
    [
        lambda one, other: one.patch(f"{USERS}/{other.id}", DEMOTE, version=1),
        lambda one, other: one.patch(f"{USERS}/{other.id}", {"active": False}, version=1),
        lambda one, other: one.delete(f"{USERS}/{other.id}", version=1),
    ],
    ids=["demote", "deactivate", "delete"],
)
async def test_of_two_administrators_who_take_each_other_away_one_stays(
    process: Process, take: Callable[[Account, Account], Awaitable[httpx.Response]]
) -> None:
    for round_ in range(6):
        one = await process.account(f"one{round_}", "admin")
        two = await process.account(f"two{round_}", "admin")
        answers = await asyncio.gather(take(one, two), take(two, one))
        assert sorted(a.is_success for a in answers) == [False, True]
        (refusal,) = [a for a in answers if not a.is_success]
        assert (refusal.status_code, refusal.json()["code"]) == (403, "users.admin_no_more")
        (left,) = await _admins(process)
        assert left in (one.id, two.id)
        await process.database.execute("UPDATE users SET is_active = false")


async def test_in_a_circle_somebody_stays_and_nobody_waits_for_ever(process: Process) -> None:
    """Each takes the next one away, all at once: in the order of their locks, and against it."""
    circle = [await process.account(f"admin{number}", "admin") for number in range(8)]
    pairs = [*zip(circle, circle[1:] + circle[:1], strict=True)]
    answers = await asyncio.gather(
        *(one.patch(f"{USERS}/{other.id}", DEMOTE, version=1) for one, other in pairs[::-1])
    )
    counts = Counter(a.status_code for a in answers)
    assert counts[200] >= 1
    assert counts.keys() <= {200, 403}
    assert len(await _admins(process)) == len(circle) - counts[200] >= 1


async def test_the_last_administrator_cannot_be_taken_away_with_an_old_token(
    process: Process,
) -> None:
    root, former = await process.account("root", "admin"), await process.account("old", "admin")
    await root.patch(f"{USERS}/{former.id}", DEMOTE, version=1)
    for answer in (
        await former.patch(f"{USERS}/{root.id}", DEMOTE, version=1),
        await former.delete(f"{USERS}/{root.id}", version=1),
        await former.patch(f"{USERS}/{former.id}", {"roles": ["admin"]}, version=2),
        await former.post(USERS, {**NEW, "roles": ["admin"]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "users.admin_no_more")
    assert await _admins(process) == {root.id}


async def _admins(process: Process) -> set[UUID]:
    rows = await process.rows(
        "SELECT id FROM users WHERE 'admin' = ANY(roles) AND is_active AND deleted_at IS NULL"
    )
    return {row["id"] for row in rows}


async def _walk(caller: Account, query: str) -> list[dict[str, Any]]:
    """All pages, along their links."""
    found: list[dict[str, Any]] = []
    path: str | None = f"{USERS}?{query}"
    while path is not None:
        answer = await caller.get(path)
        assert answer.status_code == 200
        page = answer.json()
        found += page["items"]
        link = httpx.Response(200, headers=answer.headers).links.get("next")
        assert (link is None) == (page["nextCursor"] is None)
        path = None if link is None else link["url"]
        assert path is None or "@" not in path.replace("%40", "@")
    return found


@pytest.mark.parametrize(("sort", "key"), [("createdAt", "createdAt"), ("email", "email")])
async def test_the_list_has_everybody_once(process: Process, sort: str, key: str) -> None:
    root = await process.account("root", "admin")
    names = [f"u{number * 7 % 10}" for number in range(10)]
    for name in names:
        await process.sign_up(email=f"{name}@example.com")
    found = await _walk(root, f"sort={sort}&limit=3")
    assert sorted(u["email"].partition("@")[0] for u in found) == sorted(["root", *names])
    keys = [user[key] for user in found]
    assert keys == sorted(keys, reverse=sort == "createdAt")
    assert all("passwordHash" not in user and "hashedPassword" not in user for user in found)
    assert [(await root.get(f"{USERS}/{user['id']}")).json() for user in found] == found


@pytest.mark.parametrize("sort", ["createdAt", "email"])
async def test_who_is_there_all_the_time_is_listed_once(process: Process, sort: str) -> None:
    """Walking while others sign up and are deleted."""
    root = await process.account("root", "admin")
    await _fill(process, 60)
    stay = {f"user{number}@example.com" for number in range(60) if number % 3}

    async def disturb() -> None:
        for number in range(0, 60, 3):
            await process.sign_up(email=f"new{number}@example.com")
            await process.database.execute(
                "UPDATE users SET deleted_at = now() WHERE email = $1", f"user{number}@example.com"
            )

    found, _ = await asyncio.gather(_walk(root, f"sort={sort}&limit=5"), disturb())
    emails = Counter(user["email"] for user in found)
    assert emails.keys() >= stay
    assert set(emails.values()) == {1}


async def _fill(process: Process, count: int) -> None:
    await process.database.execute(
        """INSERT INTO users (id, email, password_hash, display_name, country, roles,
                              created_at, updated_at, version)
           SELECT uuidv7(make_interval(secs => n - $1)), 'user' || n || '@example.com', 'x',
                  'User ' || n, 'DE',
                  CASE WHEN n % 5000 = 1 THEN '{support}'::text[] ELSE '{customer}' END,
                  now() + make_interval(secs => n - $1), now(), 1
             FROM generate_series(0, $1 - 1) AS n""",
        count,
    )


async def test_filters(process: Process) -> None:
    root = await process.account("root", "admin")
    ada = await process.account("ada")
    await process.account("sue", "support")
    gone = await process.account("gone")
    await root.delete(f"{USERS}/{gone.id}", version=1)

    async def found(query: str) -> set[str]:
        return {u["email"].partition("@")[0] for u in await _walk(root, query)}

    assert await found("") == {"root", "ada", "sue"}
    assert await found("limit=1&includeDeleted=true") == {"root", "ada", "sue", "gone"}
    assert await found("role=support") == {"sue"}
    assert await found("role=customer&includeDeleted=true") == {"ada", "gone"}
    assert await found("email=ADA%40example.com") == {"ada"}
    assert await found("email=gone%40example.com") == set()
    assert (await root.get(f"{USERS}?email=ada@example.com")).json()["items"][0]["id"] == str(
        ada.id
    )


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("role=king", "/query/role"),
        ("email=ada", "/query/email"),
        ("sort=password", "/query/sort"),
        ("includeDeleted=perhaps", "/query/includeDeleted"),
        ("nonsense=1", "/query/nonsense"),
        ("cursor=nonsense", "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
    ],
)
async def test_what_cannot_be_asked(process: Process, query: str, pointer: str) -> None:
    root = await process.account("root", "admin")
    answer = await root.get(f"{USERS}?{query}")
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_ids_that_are_none(process: Process) -> None:
    root = await process.account("root", "admin")
    for path in (f"{USERS}/{uuid7()}", f"{USERS}/you", f"{USERS}/1"):
        assert (await root.get(path)).status_code == 404


WHOLE = UserFilter(include_deleted=True)


SHAPES = [
    (UserFilter(), Order.CREATED_AT, "users_created_at"),
    (WHOLE, Order.CREATED_AT, "users_created_at"),
    (UserFilter(role="customer"), Order.CREATED_AT, "users_created_at"),
    (UserFilter(role="support"), Order.CREATED_AT, "users_roles"),
    (UserFilter(), Order.EMAIL, "users_email"),
    (WHOLE, Order.EMAIL, "users_email"),
    (UserFilter(email="user7@example.com"), Order.CREATED_AT, "users_email"),
    (UserFilter(email="user7@example.com", include_deleted=True), Order.EMAIL, "users_email"),
]


async def test_no_page_reads_the_whole_table(process: Process) -> None:
    await _fill(process, 20_000)
    await process.database.execute("ANALYZE users")
    deep = await User.get(email="user9000@example.com")
    for (wanted, order, index), after in product(SHAPES, (None, deep)):
        plan = await listed(wanted, order=order, after=after, limit=21).explain()
        lines = "\n".join(row["QUERY PLAN"] for row in plan)
        assert "Seq Scan" not in lines, lines
        assert index in lines, lines
