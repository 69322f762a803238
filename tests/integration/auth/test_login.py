import asyncio
import base64
import hashlib
import json
from secrets import token_hex
from urllib.parse import quote_plus

import httpx
import jwt
import orjson
import pytest

from libs.contracts.auth import AuthClient
from libs.errors import Unauthenticated
from tests.integration.auth.conftest import WORKER_SECRET, Process, opened
from tests.integration.databases import ModuleDatabase


def _form(**change: str) -> dict[str, str]:
    usual = {
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": WORKER_SECRET,
    }
    return {**usual, **change}


async def test_logging_in(process: Process) -> None:
    user = (await process.sign_up()).json()
    answer = await process.log_in(email="ADA@example.com")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    token, refresh = body.pop("accessToken"), body.pop("refreshToken")
    assert len(refresh) == 43
    assert body == {"tokenType": "Bearer", "expiresIn": 600}
    (key,) = (await process.http.get("/.well-known/jwks.json")).json()["keys"]
    claims = jwt.decode(token, jwt.PyJWK(key), audience="throughline", issuer="throughline")
    assert claims["sub"] == user["id"]
    assert (claims["roles"], claims["rev"]) == (["customer"], 1)
    (session,) = await process.rows("SELECT * FROM sessions")
    assert claims["sid"] == str(session["id"])


@pytest.mark.parametrize(
    ("email", "password"),
    [("ada@example.com", "wrong horse"), ("eve@example.com", "correct horse")],
)
async def test_wrong_credentials(process: Process, email: str, password: str) -> None:
    await process.sign_up()
    answer = await process.log_in(email=email, password=password)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    problem = answer.json()
    assert problem["code"] == "auth.invalid_credentials"
    assert problem["contextId"] == answer.headers["x-context-id"]


@pytest.mark.parametrize(
    "change", ["UPDATE users SET is_active = false", "UPDATE users SET deleted_at = now()"]
)
async def test_an_account_that_is_gone(process: Process, change: str) -> None:
    await process.sign_up()
    bearer = await process.bearer()
    await process.database.execute(change)
    assert (await process.log_in()).status_code == 401
    answer = await process.http.get("/v1/users/me", headers=bearer)
    assert answer.status_code == 401
    assert answer.json()["code"] == "users.account_gone"


async def test_a_forged_token_opens_nothing(process: Process) -> None:
    await process.sign_up()
    token = (await process.bearer())["Authorization"].removeprefix("Bearer ")
    header, _, signature = token.split(".")
    payload = base64.urlsafe_b64encode(orjson.dumps({"sub": "x"})).decode().rstrip("=")
    for forged in ("", "x", f"{header}.{payload}.{signature}", "x" * 5000):
        answer = await process.http.get(
            "/v1/users/me", headers={"Authorization": f"Bearer {forged}"}
        )
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"
    assert (await process.http.get("/v1/users/me")).status_code == 401


async def test_a_service_account(process: Process) -> None:
    answer = await process.http.post("/v1/auth/token", data=_form(scope="ignored"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json()["scope"] == "messages:send reference:read"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    refused = await process.http.get("/v1/users/me", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "other"}, 401, "invalid_client"),
        ({"client_id": "api"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": ""}, 401, "invalid_client"),  # as if it were left out
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"client_secret": "x" * 257}, 400, "invalid_request"),
    ],
)
async def test_a_service_account_that_is_none(
    process: Process, change: dict[str, str], status: int, error: str
) -> None:
    """A problem like every other, and what RFC 6749, 5.2 asks for."""
    answer = await process.http.post("/v1/auth/token", data=_form(**change))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["error"]) == (
        status,
        f"auth.{error}",
        error,
    )
    assert problem["contextId"] == answer.headers["x-context-id"]
    assert "x" * 257 not in answer.text


def _basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def _ask(process: Process, headers: dict[str, str], **form: str) -> httpx.Response:
    body = {"grant_type": "client_credentials", **form}
    return await process.http.post("/v1/auth/token", data=body, headers=headers)


async def test_a_service_account_with_http_basic(process: Process) -> None:
    answer = await _ask(process, _basic("worker", WORKER_SECRET))
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("header", "form", "status", "error"),
    [
        (_basic("worker", "other"), {}, 401, "invalid_client"),
        (_basic("api", WORKER_SECRET), {}, 401, "invalid_client"),
        ({"Authorization": "Basic"}, {}, 401, "invalid_client"),
        ({"Authorization": "Basic ???"}, {}, 401, "invalid_client"),
        ({"Authorization": "Basic d29ya2Vy"}, {}, 401, "invalid_client"),
        ({"Authorization": "Bearer x"}, {}, 401, "invalid_client"),
        ({}, {}, 401, "invalid_client"),
        ({}, {"client_id": "worker"}, 401, "invalid_client"),
        (
            _basic("worker", WORKER_SECRET),
            {"client_secret": WORKER_SECRET},
            400,
            "invalid_request",
        ),
        (_basic("worker", WORKER_SECRET), {"client_id": "api"}, 400, "invalid_request"),
    ],
)
async def test_a_service_account_that_does_not_show_itself_well(
    process: Process, header: dict[str, str], form: dict[str, str], status: int, error: str
) -> None:
    answer = await _ask(process, header, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Basic realm="service accounts"'


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope"])
async def test_a_parameter_that_comes_twice_is_refused(process: Process, name: str) -> None:
    form = "&".join(f"{n}={quote_plus(v)}" for n, v in _form(scope="x").items())
    answer = await process.http.post(
        "/v1/auth/token",
        content=f"{form}&{name}=again",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert [e["pointer"] for e in answer.json()["errors"]] == [f"/{name}"]


async def test_a_secret_is_changed_without_a_gap(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    hashes = [hashlib.sha256(s.encode()).hexdigest() for s in (WORKER_SECRET, "the-next-one")]
    both = {"THROUGHLINE_AUTH_SERVICE_CLIENTS": json.dumps({"worker": hashes})}
    async with opened({**environ, **both}, auth_database) as process:
        for secret, status in ((WORKER_SECRET, 200), ("the-next-one", 200), ("another", 401)):
            assert (await _ask(process, _basic("worker", secret))).status_code == status


async def test_an_answer_with_credentials_is_never_kept(process: Process) -> None:
    await process.sign_up()
    key = {"Idempotency-Key": "key"}
    credentials = {"email": "ada@example.com", "password": "correct horse"}
    logins = [
        await process.http.post("/v1/auth/login", json=credentials, headers=key) for _ in range(2)
    ]
    tokens = [
        await process.http.post("/v1/auth/token", data=_form(), headers=key) for _ in range(2)
    ]
    for one, other in (logins, tokens):
        assert (one.status_code, other.status_code) == (200, 200)
        assert one.json() != other.json()
        assert "idempotency-replayed" not in other.headers
    assert await process.rows("SELECT FROM idempotency_keys") == []


async def test_media_types(process: Process) -> None:
    as_json = await process.http.post("/v1/auth/token", json=_form())
    as_form = await process.http.post("/v1/auth/login", data={"email": "a@b.de", "password": "x"})
    assert (as_json.status_code, as_form.status_code) == (415, 415)


async def test_the_typed_client(process: Process) -> None:
    auth = AuthClient(process.runtime.peer("auth"))
    token = await auth.service_token(client_id="worker", secret=WORKER_SECRET)
    assert (token.token_type, token.expires_in) == ("Bearer", 600)
    assert len((await auth.keys())["keys"]) == 1
    with pytest.raises(Unauthenticated) as caught:
        await auth.service_token(client_id="worker", secret="other")
    assert caught.value.code == "auth.invalid_client"


async def test_the_keys_may_be_kept_for_a_while(process: Process) -> None:
    answer = await process.http.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=20"
    assert "d" not in answer.json()["keys"][0]


async def test_other_requests_are_answered_while_passwords_are_hashed(process: Process) -> None:
    await process.sign_up()
    logins = [asyncio.create_task(process.log_in()) for _ in range(8)]
    assert (await process.http.get("/.well-known/jwks.json")).status_code == 200
    assert not all(login.done() for login in logins)
    assert {(await login).status_code for login in logins} == {200}


async def test_too_many_failures_are_refused_whether_there_is_an_account_or_not(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    with_little = {**environ, "THROUGHLINE_AUTH_THROTTLE_FREE": "2"}
    told = []
    async with opened(with_little, auth_database) as process:
        mine, nobody = (f"{name}-{token_hex(4)}@example.com" for name in ("ada", "eve"))
        await process.sign_up(email=mine)
        for email in (mine, nobody):
            for _ in range(2):
                answer = await process.log_in(email=email, password="wrong horse")
                assert answer.status_code == 401
            answer = await process.log_in(email=email)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            del problem["contextId"]
            told.append(problem)
    assert told[0] == told[1]
    assert told[0]["code"] == "auth.too_many_attempts"
