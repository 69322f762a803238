import asyncio
import base64

import jwt
import orjson
import pytest

from libs.contracts.auth import AuthClient
from libs.errors import Unauthenticated
from tests.integration.auth.conftest import WORKER_SECRET, Process


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
    token = body.pop("accessToken")
    assert body == {"tokenType": "Bearer", "expiresIn": 600}
    (key,) = (await process.http.get("/.well-known/jwks.json")).json()["keys"]
    claims = jwt.decode(token, jwt.PyJWK(key), audience="throughline", issuer="throughline")
    assert claims["sub"] == user["id"]
    assert (claims["roles"], claims["rev"]) == (["customer"], 1)


async def test_who_am_i(process: Process) -> None:
    user = (await process.sign_up()).json()
    answer = await process.http.get("/v1/users/me", headers=await process.bearer())
    assert answer.status_code == 200
    assert answer.json() == user
    assert answer.headers["etag"] == '"1"'


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
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    refused = await process.http.get("/v1/users/me", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "other"}, 401, "auth.invalid_client"),
        ({"client_id": "api"}, 401, "auth.invalid_client"),
        ({"grant_type": "password"}, 422, "auth.unsupported_grant_type"),
        ({"client_id": ""}, 422, "invalid_input"),
        ({"client_secret": "x" * 257}, 422, "invalid_input"),
    ],
)
async def test_a_service_account_that_is_none(
    process: Process, change: dict[str, str], status: int, code: str
) -> None:
    answer = await process.http.post("/v1/auth/token", data=_form(**change))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


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
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "d" not in answer.json()["keys"][0]


async def test_other_requests_are_answered_while_passwords_are_hashed(process: Process) -> None:
    await process.sign_up()
    logins = [asyncio.create_task(process.log_in()) for _ in range(8)]
    assert (await process.http.get("/.well-known/jwks.json")).status_code == 200
    assert not all(login.done() for login in logins)
    assert {(await login).status_code for login in logins} == {200}
