"""The whole profile with real clients."""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis

from libs.embedded import EmbeddedError, EmbeddedProfile
from libs.embedded.profile import (
    DATABASE_ADMIN_URL,
    ENVIRONMENT,
    KAFKA_BOOTSTRAP_SERVERS,
    MONGO_URL,
    REDIS_URL,
)

pytestmark = pytest.mark.asyncio

Profiles = Callable[..., EmbeddedProfile]
Documents = AsyncIOMotorClient[dict[str, Any]]
ALL = ("postgres", "valkey", "mongo", "kafka")


def quiet(_: str) -> None: ...


async def postgres_answers(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
        assert await connection.fetchval("SELECT current_database()") == "throughline"
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
    finally:
        await connection.close()


async def valkey_answers(url: str) -> None:
    async with Redis.from_url(url) as client:
        await client.set("key", "value", ex=10)
        assert await client.get("key") == b"value"


async def mongo_answers(url: str) -> None:
    client: Documents = AsyncIOMotorClient(url, serverSelectionTimeoutMS=5000)
    try:
        collection = client["test"]["things"]
        await collection.with_options().insert_one({"_id": 1, "name": "one"})
        assert await collection.find_one({"name": "one"}) == {"_id": 1, "name": "one"}
    finally:
        client.close()


async def kafka_answers(address: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        await producer.send_and_wait("topic", b"value", key=b"key", headers=[("name", b"x")])
    async with AIOKafkaConsumer(
        "topic",
        bootstrap_servers=address,
        group_id="group",
        auto_offset_reset="earliest",
        session_timeout_ms=1500,  # Tansu lets who joins first wait for half of it
        heartbeat_interval_ms=300,
    ) as consumer:
        record = await asyncio.wait_for(consumer.getone(), 10)
    assert (record.key, record.value, record.headers) == (b"key", b"value", (("name", b"x"),))


async def test_every_server_answers_its_real_client(profile_of: Profiles) -> None:
    profile = profile_of(*ALL, modules=("auth", "api"))
    told: list[str] = []
    settings = await profile.start(told.append)
    try:
        pids = [server.pid for server in profile.servers.values()]
        assert len(pids) == 4
        assert {line.split(":")[0] for line in told} == set(ALL)
        assert settings[ENVIRONMENT] == "embedded"
        assert settings["THROUGHLINE_KAFKA_ENABLE_IDEMPOTENCE"] == "false"
        assert settings["THROUGHLINE_KAFKA_FETCH_MAX_WAIT_MS"] == "50"
        await postgres_answers(settings[DATABASE_ADMIN_URL])
        await valkey_answers(settings[REDIS_URL])
        await mongo_answers(settings[MONGO_URL])
        await kafka_answers(settings[KAFKA_BOOTSTRAP_SERVERS])
        assert all(os.getsid(pid) == pid for pid in pids)
    finally:
        await profile.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_data_survive_a_restart(profile_of: Profiles, used: Path) -> None:
    first = profile_of("postgres", "mongo")
    settings = await first.start(quiet)
    try:
        connection = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        await connection.close()
        await mongo_answers(settings[MONGO_URL])
    finally:
        await first.stop()

    second = profile_of("postgres", "mongo")
    settings = await second.start(quiet)
    try:
        connection = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()
        client: Documents = AsyncIOMotorClient(settings[MONGO_URL])
        assert await client["test"]["things"].count_documents({}) == 1
        client.close()
    finally:
        await second.stop()


async def test_a_module_logs_in_with_the_password_of_its_url(
    profile_of: Profiles, used: Path
) -> None:
    profile = profile_of("postgres", modules=("auth", "worker"))
    settings = await profile.start(quiet)
    try:
        url = settings["THROUGHLINE_AUTH_DATABASE_URL"]
        assert url.startswith("postgresql://auth:")
        assert url.endswith("/throughline")
        assert url != settings["THROUGHLINE_WORKER_DATABASE_URL"]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url)  # the roles are made elsewhere
        admin = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
        password = profile.secrets.secret("database.auth")
        await admin.execute(f"CREATE ROLE auth LOGIN PASSWORD '{password}'")
        await admin.close()
        role = await asyncpg.connect(url)
        assert await role.fetchval("SELECT current_user") == "auth"
        await role.close()
    finally:
        await profile.stop()


async def test_a_folder_in_use_is_refused_and_free_again_after(
    profile_of: Profiles, data: Path
) -> None:
    first = profile_of("valkey")
    await first.start(quiet)
    try:
        with pytest.raises(EmbeddedError, match=f"{data} is in use.*pid {os.getpid()}") as error:
            await profile_of("valkey").start(quiet)
        assert "\n" not in str(error.value)
        assert next(iter(first.servers.values())).status is None
    finally:
        await first.stop()
    second = profile_of("valkey")
    await second.start(quiet)
    await second.stop()


async def test_profiles_run_side_by_side(profile_of: Profiles, data: Path) -> None:
    one = profile_of("postgres", "valkey", "kafka")
    other = profile_of("postgres", "valkey", "kafka", folder=data.with_name("other"))
    settings, others = await asyncio.gather(one.start(quiet), other.start(quiet))
    try:
        assert settings[DATABASE_ADMIN_URL] != others[DATABASE_ADMIN_URL]
        await postgres_answers(settings[DATABASE_ADMIN_URL])
        await postgres_answers(others[DATABASE_ADMIN_URL])
    finally:
        await asyncio.gather(one.stop(), other.stop())


async def test_an_address_is_kept_and_its_server_not_started(
    profile_of: Profiles, data: Path
) -> None:
    profile = profile_of("valkey", modules=("api",))
    settings = await profile.start(quiet)
    try:
        assert list(profile.servers) == [REDIS_URL]
        assert settings[KAFKA_BOOTSTRAP_SERVERS] == "events.example:9092"
        assert settings[MONGO_URL] == "mongodb://documents.example:27017/"
        assert "THROUGHLINE_KAFKA_ENABLE_IDEMPOTENCE" not in settings
        module = settings["THROUGHLINE_API_DATABASE_URL"]
        assert module.startswith("postgresql://api:")
        assert module.endswith("@database.example/elsewhere")
        assert not (data / "postgres").exists()
    finally:
        await profile.stop()


async def test_what_the_environment_sets_is_kept(data: Path, environ: dict[str, str]) -> None:
    given = {
        DATABASE_ADMIN_URL: "postgresql://admin@database.example/elsewhere",
        REDIS_URL: "redis://cache.example",
        MONGO_URL: "mongodb://documents.example",
        KAFKA_BOOTSTRAP_SERVERS: "events.example:9092",
        ENVIRONMENT: "test",
        "THROUGHLINE_API_DATABASE_URL": "postgresql://other:secret@database.example/api",
    }
    profile = EmbeddedProfile(data, environ | given, modules=("api",))
    assert await profile.start(quiet) == given
    await profile.stop()


async def test_a_long_path_with_blanks_works(profile_of: Profiles, data: Path) -> None:
    folder = data / ("a long name " * 8) / "and more of it"
    assert len(str(folder)) > 110
    profile = profile_of(*ALL, folder=folder)
    settings = await profile.start(quiet)
    try:
        await postgres_answers(settings[DATABASE_ADMIN_URL])
        await mongo_answers(settings[MONGO_URL])
    finally:
        await profile.stop()


async def test_stopping_does_not_wait_for_clients(profile_of: Profiles, used: Path) -> None:
    profile = profile_of(*ALL)
    settings = await profile.start(quiet)
    connection = await asyncpg.connect(settings[DATABASE_ADMIN_URL])
    busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    # Closing this client says good-bye to the server, and waits that long for one to be there.
    client: Documents = AsyncIOMotorClient(settings[MONGO_URL], serverSelectionTimeoutMS=500)
    await client.admin.command("ping")
    host, port = settings[KAFKA_BOOTSTRAP_SERVERS].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    began = time.monotonic()
    await profile.stop()
    assert time.monotonic() - began < 8
    with pytest.raises(asyncpg.PostgresError):
        await busy
    client.close()
    writer.close()
    await connection.close()


async def test_only_we_can_read_the_secrets(profile_of: Profiles, data: Path) -> None:
    profile = profile_of("postgres", "valkey", modules=("auth",))
    await profile.start(quiet)
    await profile.stop()
    private = (data / "secrets.json", data / "valkey" / "valkey.conf")
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600, 0o600]
    assert not (data / "postgres" / "password").exists()
