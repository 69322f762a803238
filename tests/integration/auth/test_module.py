from typing import Any

import asyncpg
import pytest

from libs.db.database import Databases
from libs.db.drift import drift
from libs.db.settings import DatabaseSettings
from libs.errors import catalogue
from services.auth.module import MODULE
from tests.integration.auth.conftest import Process
from tests.integration.databases import ModuleDatabase
from tests.waiting import until


async def test_the_migrations_and_the_models_agree(auth_database: ModuleDatabase) -> None:
    databases = Databases()
    settings = DatabaseSettings.model_validate({"url": auth_database.url})
    db = databases.add("auth", settings, MODULE.models)
    await databases.open()
    try:
        assert await drift(db) == []
    finally:
        await databases.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET email = 'Ada@example.com'",
        "UPDATE users SET country = 'de'",
        "UPDATE users SET roles = '{}'",
        "UPDATE users SET version = 0",
    ],
)
async def test_the_database_refuses_what_cannot_be(process: Process, change: str) -> None:
    await process.sign_up()
    with pytest.raises(asyncpg.CheckViolationError):
        await process.database.execute(change)


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith(MODULE.routes)
    }


async def test_the_api_is_described(process: Process) -> None:
    operations = _operations(process.runtime.fastapi.openapi())
    assert operations.keys() == {
        "POST /v1/auth/signup",
        "POST /v1/auth/login",
        "POST /v1/auth/token",
        "GET /v1/users/me",
        "GET /.well-known/jwks.json",
    }
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        for status, answer in operation["responses"].items():
            media_types = set(answer["content"])
            problem = int(status) >= 400
            assert problem == (media_types == {"application/problem+json"}), f"{name} {status}"
    assert operations["POST /v1/auth/signup"]["responses"].keys() >= {"201", "409", "422"}


def test_the_errors_have_codes_of_their_own() -> None:
    assert {
        "auth.invalid_credentials",
        "auth.invalid_client",
        "auth.unsupported_grant_type",
        "users.account_gone",
        "users.email_taken",
        "users.invalid_password",
    } <= catalogue().keys()


async def test_a_broker_that_is_away_takes_nobody_out_of_service(process: Process) -> None:
    async with process.runtime.running():
        assert (await process.sign_up()).status_code == 201
        report = await until(lambda: _degraded(process), "readiness has noticed")
    assert report["dependencies"]["auth.database"]["status"] == "up"
    assert report["dependencies"]["auth.relay"]["critical"] is False
    assert await process.rows("SELECT published_at FROM outbox") == [{"published_at": None}]


async def _degraded(process: Process) -> dict[str, Any] | None:
    """What readiness answers once it has noticed; until then, and then too, it is ready."""
    answer = await process.http.get("/health/ready")
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()
    return report if report["status"] == "degraded" else None
