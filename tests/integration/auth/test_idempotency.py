"""`Idempotency-Key` where users are created."""

import asyncio
import hashlib
from collections import Counter
from typing import Any

import httpx
import orjson
import pytest

from libs.db.idempotency import fingerprint
from tests.integration.auth.conftest import Process

SIGN_UP = "/v1/auth/signup"
ADA = {"email": "ada@example.com", "password": "correct horse", "displayName": "Ada Lovelace"}


async def _sign_up(process: Process, key: str, **given: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await process.http.post(SIGN_UP, json={**ADA, **given}, headers=headers)


async def test_signing_up_again_with_the_key_is_signing_up_once(process: Process) -> None:
    first = await _sign_up(process, "key")
    again = await _sign_up(process, "key", email="ADA@Example.com")  # the same, once normalised
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("etag", "location", "content-type"):
        assert first.headers[name] == again.headers[name]
    assert len(await process.rows("SELECT FROM users")) == 1
    assert len(await process.rows("SELECT FROM outbox WHERE topic = 'users'")) == 1


@pytest.mark.parametrize("change", [{"password": "another horse"}, {"email": "eve@example.com"}])
async def test_a_key_is_for_one_request(process: Process, change: dict[str, str]) -> None:
    await _sign_up(process, "key")
    answer = await _sign_up(process, "key", **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key_reused")
    assert len(await process.rows("SELECT FROM users")) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
async def test_a_key_that_is_none(process: Process, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    answer = await process.http.post(SIGN_UP, json=ADA, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/header/Idempotency-Key"]
    assert await process.rows("SELECT FROM users") == []


async def test_what_is_kept_holds_no_password_nor_what_one_could_be_tried_with(
    process: Process,
) -> None:
    await _sign_up(process, "key")
    (row,) = await process.rows("SELECT * FROM idempotency_keys")
    kept = b"|".join(str(value).encode() for value in row.values()) + row["body"]
    assert b"correct horse" not in kept
    assert b"argon2" not in kept
    body: dict[str, Any] = {"email": "ada@example.com", "password": "correct horse"}
    body |= {"display_name": "Ada Lovelace", "country": None, "roles": ["customer"]}
    body |= {"is_active": True, "is_superuser": False, "is_verified": False}
    plain = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    guesses = [hashlib.sha256(plain).digest(), fingerprint(body)]
    guesses += [fingerprint(body, secret) for secret in (b"", b"a-secret-of-the-tests")]
    assert row["fingerprint"] not in guesses


async def test_a_request_that_failed_may_be_sent_again(process: Process) -> None:
    one = await process.account("one", "admin")
    await process.sign_up()
    key = {"Idempotency-Key": "key"}
    assert (await one.post("/v1/users", ADA, **key)).json()["code"] == "users.email_taken"
    assert await process.rows("SELECT FROM idempotency_keys") == []
    await process.database.execute("UPDATE users SET deleted_at = now() WHERE id <> $1", one.id)
    assert (await one.post("/v1/users", ADA, **key)).status_code == 201


async def test_many_at_once_with_one_key_are_one(process: Process) -> None:
    for round_ in range(5):
        email = f"ada{round_}@example.com"
        answers = await asyncio.gather(
            *(_sign_up(process, f"key{round_}", email=email) for _ in range(50))
        )
        done = [a for a in answers if a.status_code == 201]
        assert len({a.content for a in done}) == 1
        refused = Counter((a.status_code, a.json()["code"]) for a in answers if a not in done)
        assert refused.keys() <= {(409, "idempotency.in_flight")}
        assert all("retry-after" in a.headers for a in answers if a not in done)
        assert (await _sign_up(process, f"key{round_}", email=email)).content == done[0].content
    assert len(await process.rows("SELECT FROM users")) == 5
    assert len(await process.rows("SELECT FROM outbox WHERE topic = 'users'")) == 5


async def test_administrators_have_keys_of_their_own(process: Process) -> None:
    one, two = await process.account("one", "admin"), await process.account("two", "admin")
    key = {"Idempotency-Key": "key"}
    first = await one.post("/v1/users", ADA, **key)
    again = await one.post("/v1/users", ADA, **key)
    other = await two.post("/v1/users", {**ADA, "email": "eve@example.com"}, **key)
    assert [a.status_code for a in (first, again, other)] == [201, 201, 201]
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["id"] != first.json()["id"]
    assert len(await process.rows("SELECT FROM users")) == 4
    rows = await process.rows("SELECT actor, route FROM idempotency_keys ORDER BY created_at")
    assert [tuple(row.values()) for row in rows] == [
        (str(one.id), "POST /v1/users"),
        (str(two.id), "POST /v1/users"),
    ]


async def test_a_key_does_not_keep_the_rights_of_its_owner(process: Process) -> None:
    one, two = await process.account("one", "admin"), await process.account("two", "admin")
    key = {"Idempotency-Key": "key"}
    assert (await one.post("/v1/users", ADA, **key)).status_code == 201
    await two.patch(f"/v1/users/{one.id}", {"roles": ["customer"]}, version=1)
    assert (await one.post("/v1/users", ADA, **key)).status_code == 403
