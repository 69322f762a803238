import asyncio
import re
from datetime import datetime
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from libs.contracts.auth import UserCreated
from tests.integration.auth.conftest import Process


async def test_signing_up(process: Process) -> None:
    answer = await process.sign_up(email="Ada@Example.com", country="FR")
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["content-type"] == "application/json"
    user = answer.json()
    assert answer.headers["location"] == "/v1/users/me"
    times = user.pop("createdAt"), user.pop("updatedAt")
    assert UUID(user.pop("id")).version == 7
    assert user == {
        "email": "ada@example.com",
        "emailVerified": False,
        "displayName": "Ada Lovelace",
        "country": "FR",
        "roles": ["customer"],
        "active": True,
        "deletedAt": None,
        "version": 1,
    }
    for time in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
        assert datetime.fromisoformat(time).tzinfo is not None


async def test_what_is_stored(process: Process) -> None:
    user_id = UUID((await process.sign_up()).json()["id"])
    (row,) = await process.rows("SELECT * FROM users")
    assert row["id"] == user_id
    assert row["password_hash"].startswith("$argon2id$")
    assert (row["country"], row["roles"], row["is_active"]) == ("DE", ["customer"], True)
    assert (row["created_by"], row["deleted_at"], row["version"]) == (None, None, 1)


async def test_the_event_is_committed_with_the_user(process: Process) -> None:
    answer = await process.sign_up()
    (row, _) = await process.rows("SELECT * FROM outbox ORDER BY seq")
    assert (row["topic"], row["type"], row["version"]) == ("users", "UserCreated", 1)
    assert row["subject"] == answer.json()["id"]
    assert row["context_id"] == answer.headers["x-context-id"]
    assert row["published_at"] is None
    assert UserCreated.from_json(row["payload"].encode()) == UserCreated(
        user_id=UUID(answer.json()["id"]),
        revision=1,
        display_name="Ada Lovelace",
        country="DE",
        roles=("customer",),
    )
    assert "ada@example.com" not in row["payload"]


async def test_an_address_has_one_account(process: Process) -> None:
    await process.sign_up()
    answer = await process.sign_up(email="ADA@example.com")
    assert answer.status_code == 201  # see test_accounts.py
    assert len(await process.rows("SELECT FROM users")) == 1


async def test_the_address_of_a_deleted_user_is_free_again(process: Process) -> None:
    await process.sign_up()
    await process.database.execute("UPDATE users SET deleted_at = now()")
    assert (await process.sign_up()).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"password": "short"}, ["/password"]),
        ({"password": "x" * 129}, ["/password"]),
        ({"password": "ada@example.com"}, ["/password"]),
        ({"email": "ada"}, ["/email"]),
        ({"email": "ada", "country": "Germany"}, ["/country", "/email"]),
        ({"displayName": "Ada\x00"}, ["/displayName"]),
        ({"displayName": "\u202eadA"}, ["/displayName"]),
        ({"email": "ada\x00@example.com"}, ["/email"]),
        ({"role": "admin"}, ["/role"]),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    process: Process, change: dict[str, str], pointers: list[str]
) -> None:
    answer = await process.sign_up(**change)
    assert answer.status_code == 422
    assert sorted(e["pointer"] for e in answer.json()["errors"]) == pointers
    for value in change.values():
        assert f'"{value}"' not in answer.text
    assert await process.rows("SELECT FROM users") == []


async def test_half_a_character_is_none(process: Process) -> None:
    body = b'{"email": "ada@example.com", "password": "correct horse", "displayName": "Ada"}'
    for field in (b"correct horse", b"Ada"):
        broken = body.replace(field, field + b"\\ud800")
        headers = {"Content-Type": "application/json"}
        answer = await process.http.post("/v1/auth/signup", content=broken, headers=headers)
        assert 400 <= answer.status_code < 500


async def test_no_line_of_the_log_holds_what_must_stay_secret(process: Process) -> None:
    with capture_logs() as lines:  # before redaction, which is the second line of defence
        await process.sign_up()
        await process.sign_up()
        await process.sign_up(password="short")
        token = (await process.log_in()).json()["accessToken"]
        await process.log_in(password="wrong horse")
        await process.http.get("/v1/users/me", headers=await process.bearer())
        await asyncio.sleep(0)  # the driver tells of its queries a little later
    events = [line["event"] for line in lines]
    for expected in ("user.created", "auth.logged_in", "auth.login_failed", "db.query"):
        assert expected in events
    for secret in ("ada@example.com", "correct horse", "wrong horse", "argon2id", token):
        assert not [line for line in lines if secret in str(line)]


async def test_the_seed_is_safe_to_repeat(process: Process) -> None:
    seed = process.runtime.wired["auth"].seed
    assert seed is not None
    accounts = {
        role: {"email": f"{role}@example.com", "password": "correct horse"}
        for role in ("admin", "customer")
    }
    await seed({"accounts": accounts})
    await seed({"accounts": accounts})
    await seed({})
    rows = await process.rows("SELECT email, roles FROM users ORDER BY email")
    assert rows == [
        {"email": "admin@example.com", "roles": ["admin"]},
        {"email": "customer@example.com", "roles": ["customer"]},
    ]
    assert (await process.log_in(email="admin@example.com")).status_code == 200


async def test_the_pool_has_no_open_transaction_left(process: Process) -> None:
    await process.sign_up()
    await process.sign_up()
    rows = await process.rows(
        "SELECT state FROM pg_stat_activity WHERE usename = current_user AND state LIKE 'idle in%'"
    )
    assert rows == []
