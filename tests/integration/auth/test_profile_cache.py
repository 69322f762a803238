"""What is shown of users, with Redis in between."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID

import orjson
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from libs.cache.cache import Cache
from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from services.auth.users.profiles import NAMESPACE, Profiles
from services.auth.users.repository import UserRepository
from tests.integration.auth.conftest import Account, Process, opened
from tests.integration.databases import ModuleDatabase

ME = "/v1/users/me"
TTL_S = 30


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Empty at first."""
    client = Redis.from_url(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def elsewhere(process: Process, redis_url: str) -> AsyncIterator[Profiles]:
    """What another process has over the same database and the same Redis."""
    connection = RedisConnection()
    connection.configure(CacheSettings(url=SecretStr(redis_url), timeout_ms=5000))
    await connection.open()
    yield Profiles(UserRepository(), Cache(connection, namespace=NAMESPACE), ttl_s=TTL_S)
    await connection.close()


async def _contents(redis: Redis) -> bytes:
    """Everything that Redis holds."""
    found = [key async for key in redis.scan_iter()]
    held = [*found, *(await redis.mget(found))] if found else []
    return b"\n".join(cast("list[bytes]", [each for each in held if each is not None]))


async def _queries(account: Account, path: str) -> list[str]:
    with capture_logs() as lines:
        assert (await account.get(path)).status_code == 200
        await asyncio.sleep(0)  # the driver tells of its queries a little later
    statements = [line["statement"] for line in lines if line["event"] == "db.query"]
    return [each for each in statements if each != "outbox.wake"]  # of the login before


async def test_one_who_asks_twice_asks_the_database_once(process: Process, redis: Redis) -> None:
    ada, root = await process.account("ada"), await process.account("root", "admin")
    assert await _queries(ada, ME) == ["select users"]
    assert await _queries(ada, ME) == []
    assert await _queries(root, f"/v1/users/{ada.id}") == []  # the same entry
    first, again = await ada.get(ME), await root.get(f"/v1/users/{ada.id}")
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])


async def test_what_redis_holds_is_what_is_shown_and_not_for_long(
    process: Process, redis: Redis
) -> None:
    ada = await process.account("ada")
    answer = await ada.get(ME)
    held = await _contents(redis)
    assert answer.content in held
    for secret in (b"argon2", b"hash", b"verified", b"correct horse"):
        assert secret not in held
    for key in [key async for key in redis.scan_iter(_type="string")]:
        value = await redis.get(key)
        if value is not None and b"ada@example.com" in value:
            assert 0 < await redis.pttl(key) <= TTL_S * 1.1 * 1000
    assert await redis.dbsize() > 0


async def test_nothing_of_one_who_was_deleted_stays(process: Process, redis: Redis) -> None:
    ada, root = await process.account("ada"), await process.account("root", "admin")
    await ada.get(ME)
    assert b"ada@example.com" in await _contents(redis)
    await root.delete(f"/v1/users/{ada.id}", version=1)
    assert b"ada@example.com" not in await _contents(redis)
    for _ in range(2):
        assert (await ada.get(ME)).status_code == 401
        assert (await root.get(f"/v1/users/{ada.id}")).status_code == 404
    assert (await root.get(f"/v1/users/{ada.id}?includeDeleted=true")).status_code == 200
    assert b"ada@example.com" not in await _contents(redis)


async def test_a_change_is_seen_in_every_process_when_it_is_acknowledged(
    process: Process, elsewhere: Profiles
) -> None:
    ada, root = await process.account("ada"), await process.account("root", "admin")
    for version in range(1, 21):
        for profile in (await elsewhere.get(ada.id), await elsewhere.get(ada.id)):
            assert profile is not None
            assert profile.version == version
        change = {"displayName": f"Ada {version}"}
        assert (await ada.patch(ME, change, version=version)).status_code == 200
        assert (await ada.get(ME)).json()["displayName"] == change["displayName"]
    await root.patch(f"/v1/users/{ada.id}", {"active": False}, version=21)
    profile = await elsewhere.get(ada.id)
    assert profile is not None
    assert not profile.active
    await root.delete(f"/v1/users/{ada.id}", version=22)
    assert await elsewhere.get(ada.id) is None


async def test_no_reader_sees_what_is_older_than_the_last_acknowledged_change(
    process: Process, elsewhere: Profiles
) -> None:
    ada, root = await process.account("ada"), await process.account("root", "admin")
    acknowledged, writing, reads = 1, True, 0

    async def write() -> None:
        nonlocal acknowledged, writing
        for number in range(40):
            answer = await ada.patch(ME, {"displayName": f"Ada {number}"}, version=acknowledged)
            assert answer.status_code == 200
            acknowledged += 1
        writing = False

    async def here(path: str) -> int:
        account = ada if path == ME else root
        return int(orjson.loads((await account.get(path)).content)["version"])

    async def there(user_id: UUID) -> int:
        profile = await elsewhere.get(user_id)
        assert profile is not None
        return profile.version

    async def read(number: int) -> None:
        nonlocal reads
        while writing:
            floor = acknowledged
            if number % 3:
                seen = await here(ME if number % 3 == 1 else f"/v1/users/{ada.id}")
            else:
                seen = await there(ada.id)
            assert seen >= floor
            reads += 1

    await asyncio.gather(write(), *(read(number) for number in range(9)))
    assert reads > 100


async def test_without_redis_everything_goes_on(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    await auth_database.empty()
    environ |= {
        "THROUGHLINE_REDIS_URL": "redis://127.0.0.1:1/0",
        "THROUGHLINE_REDIS_TIMEOUT_MS": "50",
    }
    async with opened(environ, auth_database) as process:
        ada, root = await process.account("ada"), await process.account("root", "admin")
        for version in range(1, 6):
            answer = await ada.get(ME)
            assert (answer.status_code, answer.headers["etag"]) == (200, f'"{version}"')
            change = {"displayName": f"Ada {version}"}
            assert (await ada.patch(ME, change, version=version)).status_code == 200
        await root.delete(f"/v1/users/{ada.id}", version=6)
        assert (await ada.get(ME)).status_code == 401
        ready = await process.http.get("/health/ready")
        assert ready.json()["dependencies"]["redis"]["critical"] is False
