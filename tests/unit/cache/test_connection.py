"""What the connection to Redis does without one."""

import pytest
from pydantic import SecretStr

from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.errors import Unavailable


def _settings(host: str) -> CacheSettings:
    return CacheSettings(url=SecretStr(f"redis://{host}:6379"))


async def test_modules_share_it_if_they_mean_the_same() -> None:
    redis = RedisConnection()
    redis.configure(_settings("one"))
    redis.configure(_settings("one"))
    with pytest.raises(ValueError, match="settings differ"):
        redis.configure(_settings("two"))


async def test_opening_connects_to_nothing() -> None:
    redis = RedisConnection()
    await redis.open()
    redis.configure(_settings("nowhere.invalid"))
    await redis.open()
    await redis.close()
    await redis.close()


async def test_once_closed_it_is_not_available() -> None:
    redis = RedisConnection()
    redis.configure(_settings("nowhere.invalid"))
    await redis.open()
    await redis.close()
    with pytest.raises(Unavailable, match="closed"):
        await redis.get("k")


async def test_it_must_be_open() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await RedisConnection().get("k")
