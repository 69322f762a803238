"""Sessions over a real PostgreSQL and a real Redis, by many at the same time."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from libs.auth.deny_list import DenyList
from libs.auth.redis_deny_store import KEY, PAGE, RedisDenyStore
from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.contracts.auth import SessionEnded
from libs.db.database import Databases
from libs.events.consumer import Consumer
from libs.events.inbox import DatabaseInbox
from libs.events.memory import MemoryBus
from libs.ids import uuid7
from services.auth.sessions.handlers import handlers
from services.auth.sessions.reaper import SessionReaper
from services.auth.settings import SessionSettings
from tests.events import envelope_of, running
from tests.integration.auth.conftest import Process, opened
from tests.integration.databases import ModuleDatabase
from tests.waiting import until

ME = "/v1/users/me"
SESSIONS = "/v1/users/me/sessions"
MANY = 20


async def _log_in(process: Process, **given: str) -> dict[str, Any]:
    answer = await process.log_in(**given)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


async def _refresh(process: Process, token: str, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"refreshToken": token}
    return await process.http.post("/v1/auth/refresh", json=body, headers=headers)


async def _log_out(process: Process, token: str) -> httpx.Response:
    return await process.http.post("/v1/auth/logout", json={"refreshToken": token})


def _bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['accessToken']}"}


async def _status(process: Process, tokens: dict[str, Any]) -> int:
    return (await process.http.get(ME, headers=_bearer(tokens))).status_code


async def _usable(process: Process) -> int:
    """How many refresh tokens there are that could be exchanged."""
    (row,) = await process.rows(
        "SELECT count(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id"
        " WHERE t.used_at IS NULL AND t.expires_at > now() AND s.ended_at IS NULL"
    )
    count: int = row["count"]
    return count


async def _events(process: Process, *types: str) -> list[dict[str, Any]]:
    return await process.rows(
        "SELECT * FROM outbox WHERE type = ANY ($1::text[]) ORDER BY seq", list(types)
    )


async def test_going_on(process: Process) -> None:
    user = (await process.sign_up()).json()
    first = await _log_in(process)
    answer = await _refresh(process, first["refreshToken"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    second = answer.json()
    assert second.keys() == {"accessToken", "tokenType", "expiresIn", "refreshToken"}
    assert second["refreshToken"] != first["refreshToken"]
    assert await _status(process, second) == await _status(process, first) == 200
    (event,) = await _events(process, "SessionStarted")
    (session,) = await process.rows("SELECT * FROM sessions")
    assert (event["actor"], event["session_id"]) == (user["id"], str(session["id"]))
    assert event["subject"] == user["id"]
    kept = str(
        [
            await process.rows("SELECT * FROM refresh_tokens"),
            await process.rows("SELECT * FROM outbox"),
        ]
    )
    assert first["refreshToken"] not in kept
    assert second["refreshToken"] not in kept


@pytest.mark.parametrize("body", [{}, {"refreshToken": ""}, {"refreshToken": "x" * 129}])
async def test_what_cannot_be_a_token(process: Process, body: dict[str, str]) -> None:
    for route in ("refresh", "logout"):
        answer = await process.http.post(f"/v1/auth/{route}", json=body)
        assert answer.status_code == 422
        assert "x" * 129 not in answer.text


@pytest.mark.parametrize(
    "token", ["x", "\u20ac", "%00", "kq0sT2nO4bq5X1u8m3Jr7Wc9YhA6LdEfGiVpZtNxRsU"]
)
async def test_what_was_never_given_out(process: Process, token: str) -> None:
    answer = await _refresh(process, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.invalid_refresh_token")
    assert (await _log_out(process, token)).status_code == 204


class TestMany:
    """Many uses of one token at the same time."""

    async def test_one_succeeds(self, process: Process) -> None:
        await process.sign_up()
        token = (await _log_in(process))["refreshToken"]
        for _ in range(5):
            answers = await asyncio.gather(*(_refresh(process, token) for _ in range(MANY)))
            counted = Counter((a.status_code, a.json().get("code")) for a in answers)
            assert counted == {(200, None): 1, (409, "auth.refresh_superseded"): MANY - 1}
            assert await _usable(process) == 1
            (token,) = (a.json()["refreshToken"] for a in answers if a.status_code == 200)
        assert (await _refresh(process, token)).status_code == 200
        assert await _events(process, "SessionEnded", "RefreshTokenReused") == []

    async def test_with_one_key_they_are_one_request(self, process: Process) -> None:
        await process.sign_up()
        token = (await _log_in(process))["refreshToken"]
        answers = await asyncio.gather(*(_refresh(process, token, "a-key") for _ in range(MANY)))
        assert {a.status_code for a in answers} == {200}
        assert len({a.json()["refreshToken"] for a in answers}) == 1
        assert await _usable(process) == 1
        kept = await process.rows("SELECT FROM idempotency_keys WHERE route LIKE '%refresh%'")
        assert kept == []

    async def test_with_a_key_each_there_is_still_one_branch(self, process: Process) -> None:
        await process.sign_up()
        token = (await _log_in(process))["refreshToken"]
        keys = [f"key-{number % 5}" for number in range(MANY)]
        answers = await asyncio.gather(*(_refresh(process, token, key) for key in keys))
        done = [a for a in answers if a.status_code == 200]
        assert len({a.json()["refreshToken"] for a in done}) == 1
        assert {a.status_code for a in answers if a not in done} == {409}
        assert await _usable(process) == 1

    async def test_reuse_and_the_next_use_at_once_leave_no_branch(self, process: Process) -> None:
        """Whoever comes first, thief or owner: in the end both have nothing."""
        await process.sign_up()
        for _ in range(5):
            first = (await _log_in(process))["refreshToken"]
            second = (await _refresh(process, first)).json()["refreshToken"]
            await process.database.execute(
                "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'"
            )
            attempts = [_refresh(process, t) for t in (*[first] * 5, *[second] * 5)]
            answers = await asyncio.gather(*attempts)
            given = [a.json()["refreshToken"] for a in answers if a.status_code == 200]
            assert len(given) <= 1
            for token in (first, second, *given):
                assert (await _refresh(process, token)).status_code == 401
            assert await _usable(process) == 0
        assert len(await _events(process, "SessionEnded")) == 5
        assert len(await _events(process, "RefreshTokenReused")) == 5

    async def test_a_session_that_is_ended_meanwhile_does_not_go_on(self, process: Process) -> None:
        await process.sign_up()
        for _ in range(5):
            tokens = await _log_in(process)
            refreshing = [_refresh(process, tokens["refreshToken"]) for _ in range(3)]
            ending = process.http.post("/v1/auth/logout-all", headers=_bearer(tokens))
            answers = await asyncio.gather(*refreshing, ending)
            assert answers[-1].status_code == 204
            assert await _usable(process) == 0
            for answer in answers[:-1]:
                if answer.status_code == 200:
                    token = answer.json()["refreshToken"]
                    assert (await _refresh(process, token)).status_code == 401
                    assert await _status(process, answer.json()) == 401

    @pytest.mark.parametrize("change", ["deactivate", "delete"])
    async def test_no_session_outlives_its_account(self, process: Process, change: str) -> None:
        root = await process.account("root", "admin")
        for number in range(3):
            email = f"ada{number}@example.com"
            user = (await process.sign_up(email=email)).json()
            one = f"/v1/users/{user['id']}"
            logins = [process.log_in(email=email) for _ in range(4)]
            taking = (
                root.delete(one, version=1)
                if change == "delete"
                else root.patch(one, {"active": False}, version=1)
            )
            *answers, taken = await asyncio.gather(*logins, taking)
            assert taken.is_success, taken.text
            live = await process.rows(
                "SELECT FROM sessions WHERE user_id = $1 AND ended_at IS NULL", UUID(user["id"])
            )
            assert live == []
            for answer in answers:
                if answer.status_code == 200:
                    assert await _status(process, answer.json()) == 401


async def test_a_stolen_token_ends_the_session_and_the_owner_is_told(process: Process) -> None:
    user = (await process.sign_up()).json()
    tokens, other = await _log_in(process), await _log_in(process)
    await _refresh(process, tokens["refreshToken"])
    await process.database.execute(
        "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'"
    )
    answer = await _refresh(process, tokens["refreshToken"])
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.invalid_refresh_token")
    assert await _status(process, tokens) == 401
    assert await _status(process, other) == 200
    (ended,) = await _events(process, "SessionEnded")
    (reused,) = await _events(process, "RefreshTokenReused")
    assert '"reason":"refresh_token_reused"' in ended["payload"]
    assert (ended["actor"], ended["session_id"]) == (None, None)  # who it was is not known
    assert reused["subject"] == user["id"]
    requested = await _events(process, "MessageRequested")
    assert '"session_compromised"' in requested[-1]["payload"]


async def test_the_times_of_a_session(process: Process) -> None:
    await process.sign_up()
    tokens = await _log_in(process)
    (session,) = await process.rows("SELECT * FROM sessions")
    assert session["idle_until"] - session["created_at"] == timedelta(days=14)
    assert session["expires_at"] - session["created_at"] == timedelta(days=90)
    assert session["access_until"] - session["created_at"] == timedelta(seconds=605)
    later = "created_at - interval '80 days'"
    await process.database.execute(
        f"UPDATE sessions SET created_at = {later}, expires_at = expires_at - interval '80 days',"  # noqa: S608
        " idle_until = least(idle_until, expires_at - interval '80 days')"
    )
    second = (await _refresh(process, tokens["refreshToken"])).json()["refreshToken"]
    (session,) = await process.rows("SELECT * FROM sessions")
    assert session["idle_until"] == session["expires_at"]
    await process.database.execute(
        "UPDATE sessions SET idle_until = now() - interval '1 second', expires_at = now()"
    )
    assert (await _refresh(process, second)).status_code == 401
    assert await _events(process, "SessionEnded") == []


async def test_where_one_is_logged_in(process: Process) -> None:
    ada, eve = await process.account("ada"), await process.account("eve")
    answer = await process.http.post(
        "/v1/auth/login",
        json={"email": "ada@example.com", "password": "correct horse", "deviceName": " Phone "},
    )
    second = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
    listed = (await ada.get(SESSIONS)).json()
    assert listed["nextCursor"] is None
    phone, laptop = listed["items"]
    assert (phone["deviceName"], phone["current"], laptop["current"]) == ("Phone", False, True)
    assert laptop["deviceName"] == "python-httpx"
    assert laptop["ipPrefix"] == "127.0.0.0/24"
    assert laptop.keys() == {
        *("id", "deviceName", "ipPrefix", "createdAt", "lastSeenAt", "expiresAt", "current")
    }
    page = (await ada.get(f"{SESSIONS}?limit=1")).json()
    assert [s["id"] for s in page["items"]] == [phone["id"]]
    rest = (await ada.get(f"{SESSIONS}?limit=1&cursor={page['nextCursor']}")).json()
    assert [s["id"] for s in rest["items"]] == [laptop["id"]]
    for path in (f"{SESSIONS}/{phone['id']}", f"{SESSIONS}/{uuid7()}"):
        refused = await eve.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "sessions.not_found")
    assert (await ada.delete(f"{SESSIONS}/{phone['id']}")).status_code == 204
    assert (await ada.delete(f"{SESSIONS}/{phone['id']}")).status_code == 404
    assert (await process.http.get(ME, headers=second)).status_code == 401
    assert (await ada.delete(f"{SESSIONS}/no-id")).status_code == 422
    (ended,) = await _events(process, "SessionEnded")
    assert (ended["actor"], ended["session_id"]) == (str(ada.id), laptop["id"])


async def test_logging_out(process: Process) -> None:
    user = (await process.sign_up()).json()
    tokens, other = await _log_in(process), await _log_in(process)
    for _ in range(2):
        answer = await _log_out(process, tokens["refreshToken"])
        assert (answer.status_code, answer.content) == (204, b"")
    assert await _status(process, tokens) == 401
    assert (await _refresh(process, tokens["refreshToken"])).status_code == 401
    assert await _status(process, other) == 200
    answer = await process.http.post("/v1/auth/logout-all", headers=_bearer(other))
    assert answer.status_code == 204
    assert await _status(process, other) == 401
    events = await _events(process, "SessionEnded")
    assert [e["actor"] for e in events] == [user["id"]] * 2
    assert (await process.http.post("/v1/auth/logout-all")).status_code == 401


def _others(redis: RedisConnection) -> DenyList:
    deny_list = DenyList()
    deny_list.configure(RedisDenyStore(redis))
    return deny_list


class TestDenyList:
    """In Redis, for all processes."""

    @pytest.fixture
    async def redis(self, redis_url: str) -> Any:
        connection = RedisConnection()
        connection.configure(CacheSettings(url=SecretStr(redis_url), timeout_ms=5000))
        await connection.open()
        await connection.command(b"DEL", KEY)
        yield connection
        await connection.close()

    async def test_another_process_sees_it(self, process: Process, redis: RedisConnection) -> None:
        await process.sign_up()
        tokens = await _log_in(process)
        (session,) = await process.rows("SELECT * FROM sessions")
        other = _others(redis)
        await other.refresh()
        assert str(session["id"]) not in other
        await _log_out(process, tokens["refreshToken"])
        await other.refresh()
        assert str(session["id"]) in other
        assert 0 < await redis.command(b"TTL", KEY) <= 7200

    async def test_nothing_stays_for_ever(self, redis: RedisConnection) -> None:
        clock = time.time() - 10_000
        store = RedisDenyStore(redis, now=lambda: clock)
        await store.add({"past": clock + 5, "later": clock + 700})
        assert set(await store.read()) == {"past", "later"}
        clock += 600
        assert set(await store.read()) == {"later"}
        await store.add({"new": clock + 700})
        assert await redis.command(b"ZCARD", KEY) == 2

    async def test_there_may_be_many(self, redis: RedisConnection) -> None:
        store, now = RedisDenyStore(redis), time.time()
        many = {f"session-{number}": now + 600 for number in range(2 * PAGE + 7)}
        await store.add(many)
        assert await store.read() == pytest.approx(many)

    async def test_what_a_crash_has_prevented_the_modules_own_consumer_does(
        self, process: Process, redis: RedisConnection
    ) -> None:
        """The session is ended, and the event committed; nobody was left to tell Redis."""
        session_id, until_ = uuid7(), datetime.now(UTC) + timedelta(minutes=10)
        event = SessionEnded(
            session_id=session_id, user_id=uuid7(), reason="logout", access_until=until_
        )
        bus = MemoryBus()
        db = process.runtime.share(Databases)._databases["auth"]
        consumer = Consumer(
            inbox=DatabaseInbox(db), bus=bus, group="auth", handlers=handlers(_others(redis))
        )
        await bus.ensure_topics(["sessions"])
        message = envelope_of(event).to_message()
        await bus.publish([message, message])
        other = _others(redis)

        async def seen() -> bool:
            await other.refresh()
            return str(session_id) in other

        async with running(consumer):
            await until(seen, "the deny list has it")
        assert len(await process.rows("SELECT FROM inbox")) == 1

    async def test_without_redis_all_goes_on_and_refreshing_is_refused(
        self, environ: dict[str, str], auth_database: ModuleDatabase
    ) -> None:
        await auth_database.empty()
        gone = {
            "THROUGHLINE_REDIS_URL": "redis://127.0.0.1:1/0",
            "THROUGHLINE_REDIS_TIMEOUT_MS": "50",
        }
        async with opened({**environ, **gone}, auth_database) as process:
            await process.sign_up()
            tokens = await _log_in(process)
            second = (await _refresh(process, tokens["refreshToken"])).json()
            started = time.monotonic()
            assert (await _log_out(process, second["refreshToken"])).status_code == 204
            assert time.monotonic() - started < 5
            assert await _status(process, second) == 401  # this process knows
            assert (await _refresh(process, second["refreshToken"])).status_code == 401


class TestReaper:
    """What is too old goes."""

    async def _reap(self, process: Process, days: float) -> dict[str, int]:
        db = process.runtime.share(Databases)._databases["auth"]
        settings = SessionSettings.model_validate({"reap_batch": 2})
        now = datetime.now(UTC) + timedelta(days=days)
        return await SessionReaper(db, settings, now=lambda: now).reap()

    async def _sessions(self, process: Process) -> Sequence[dict[str, Any]]:
        return await process.rows("SELECT * FROM sessions")

    async def test_old_tokens_and_sessions_go(self, process: Process) -> None:
        await process.sign_up()
        live = [await _log_in(process) for _ in range(3)]
        over = await _log_in(process)
        await _refresh(process, live[0]["refreshToken"], "a-key")
        await _log_out(process, over["refreshToken"])
        assert await self._reap(process, 0) == {"sealed": 0, "tokens": 0, "sessions": 0}
        assert await self._reap(process, 0.001) == {"sealed": 1, "tokens": 0, "sessions": 0}
        assert await self._reap(process, 14.1) == {"sealed": 0, "tokens": 5, "sessions": 0}
        assert (await self._reap(process, 30.1))["sessions"] == 1
        assert len(await self._sessions(process)) == 3
        assert (await self._reap(process, 44.1))["sessions"] == 3

    async def test_several_at_once(self, process: Process) -> None:
        await process.sign_up()
        for _ in range(6):
            await _log_in(process)
        reaped = await asyncio.gather(*(self._reap(process, 60) for _ in range(4)))
        left = await self._reap(process, 60)
        total = sum(each["sessions"] for each in [*reaped, left])
        assert total == 6
        assert await process.rows("SELECT FROM refresh_tokens") == []
