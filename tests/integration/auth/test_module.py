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
        "POST /v1/auth/refresh",
        "POST /v1/auth/logout",
        "POST /v1/auth/logout-all",
        "POST /v1/auth/token",
        "POST /v1/auth/verification/request",
        "POST /v1/auth/verification/confirm",
        "POST /v1/auth/password-reset/request",
        "POST /v1/auth/password-reset/confirm",
        "POST /v1/auth/messages/{id}/compose",
        "POST /v1/users/me/password",
        "GET /v1/users/me/sessions",
        "DELETE /v1/users/me/sessions/{id}",
        "GET /v1/users/me",
        "PATCH /v1/users/me",
        "GET /v1/users",
        "POST /v1/users",
        "GET /v1/users/{id}",
        "PATCH /v1/users/{id}",
        "DELETE /v1/users/{id}",
        "GET /.well-known/jwks.json",
    }
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
    assert operations["POST /v1/auth/signup"]["responses"].keys() >= {"201", "409", "422"}
    assert operations["POST /v1/auth/token"]["responses"].keys() >= {"200", "400", "401"}
    assert operations["GET /v1/users/{id}"]["responses"].keys() >= {"200", "304", "403", "404"}
    for method in ("PATCH", "DELETE"):
        responses = operations[f"{method} /v1/users/{{id}}"]["responses"]
        assert responses.keys() >= {"401", "403", "404", "412", "422", "428"}


def test_the_errors_have_codes_of_their_own() -> None:
    assert {
        "auth.invalid_credentials",
        "auth.invalid_client",
        "auth.unsupported_grant_type",
        "auth.invalid_request",
        "auth.invalid_refresh_token",
        "auth.refresh_superseded",
        "keys.no_signing_key",
        "sessions.not_found",
        "users.account_gone",
        "users.admin_no_more",
        "users.email_taken",
        "users.invalid_password",
        "users.not_found",
        "users.own_rights",
    } <= catalogue().keys()


async def test_a_broker_that_is_away_takes_nobody_out_of_service(process: Process) -> None:
    async with process.runtime.running():
        assert (await process.sign_up()).status_code == 201
        report = await until(lambda: _degraded(process), "readiness has noticed")
    assert report["dependencies"]["auth.database"]["status"] == "up"
    assert report["dependencies"]["auth.relay"]["critical"] is False
    rows = await process.rows("SELECT published_at FROM outbox")
    assert {row["published_at"] for row in rows} == {None}


async def _degraded(process: Process) -> dict[str, Any] | None:
    """What readiness answers once it has noticed; until then, and then too, it is ready."""
    answer = await process.http.get("/health/ready")
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()
    return report if report["status"] == "degraded" else None
