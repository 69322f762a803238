"""Passwords, addresses and messages, from the request to the tables and back."""

import asyncio
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from libs.contracts.auth import MessageKind
from libs.ids import uuid7
from tests.integration.auth.conftest import Process, opened
from tests.integration.auth.mailbox import Mailbox
from tests.integration.databases import ModuleDatabase

ADA, PASSWORD, NEW = "ada@example.com", "correct horse", "battery staple"
VERIFY, RESET = MessageKind.VERIFY_EMAIL, MessageKind.RESET_PASSWORD


@pytest.fixture
def mailbox(process: Process) -> Mailbox:
    return Mailbox(process)


async def _post(process: Process, path: str, headers: Any = None, **body: str) -> httpx.Response:
    return await process.http.post(f"/v1/{path}", json=body, headers=headers)


async def _reset_token(process: Process, mailbox: Mailbox) -> str:
    assert (await _post(process, "auth/password-reset/request", email=ADA)).status_code == 202
    return await mailbox.token(RESET)


async def _change(process: Process, login: dict[str, Any], **body: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {login['accessToken']}"}
    usual = {"currentPassword": PASSWORD, "newPassword": NEW}
    return await _post(process, "users/me/password", headers, **{**usual, **body})


async def _refresh(process: Process, login: dict[str, Any]) -> int:
    answer = await _post(process, "auth/refresh", refreshToken=login["refreshToken"])
    return answer.status_code


async def test_a_changed_password_ends_the_other_sessions(process: Process) -> None:
    await process.sign_up()
    mine, other = (await process.log_in()).json(), (await process.log_in()).json()
    assert (await _change(process, mine)).status_code == 204
    assert (await _refresh(process, mine), await _refresh(process, other)) == (200, 401)
    assert (await process.log_in()).status_code == 401
    assert (await process.log_in(password=NEW)).status_code == 200
    (event,) = await process.rows("SELECT * FROM outbox WHERE type = 'PasswordChanged'")
    assert event["actor"] == event["subject"]
    (row,) = await process.rows("SELECT version, updated_by FROM users")
    assert row == {"version": 2, "updated_by": event["actor"]}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"currentPassword": "wrong horse"}, "/currentPassword"),
        ({"newPassword": "password1"}, "/newPassword"),
        ({"newPassword": PASSWORD}, "/newPassword"),
        ({"newPassword": "short"}, "/newPassword"),
        ({"userId": "somebody else"}, "/userId"),
    ],
)
async def test_a_change_that_is_refused(
    process: Process, body: dict[str, str], pointer: str
) -> None:
    await process.sign_up()
    answer = await _change(process, (await process.log_in()).json(), **body)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert not any(f'"{value}"' in answer.text for value in body.values())
    assert (await process.log_in()).status_code == 200


async def test_it_takes_somebody_to_change_a_password(process: Process) -> None:
    answer = await _post(process, "users/me/password", currentPassword="x", newPassword=NEW)
    assert answer.status_code == 401


async def test_signing_up_with_a_known_address(process: Process, mailbox: Mailbox) -> None:
    first = await process.sign_up()
    second = await process.sign_up(email="ADA@example.com", password="another horse")
    assert (first.status_code, second.status_code) == (201, 201)
    shown, made_up = first.json(), second.json()
    assert {name for name in shown if shown[name] != made_up.get(name)} <= {
        *("id", "createdAt", "updatedAt")
    }
    assert shown.keys() == made_up.keys()
    for name in ("etag", "location", "content-type", "content-length"):
        assert first.headers[name] == second.headers[name]
    assert first.headers.keys() == second.headers.keys()
    assert len(await process.rows("SELECT FROM users")) == 1
    message = await mailbox.last(MessageKind.EMAIL_IN_USE)
    assert message.to == ADA
    assert (await process.log_in(password="another horse")).status_code == 401


async def test_many_who_sign_up_at_once_are_all_answered_alike(process: Process) -> None:
    answers = await asyncio.gather(*(process.sign_up() for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 8
    assert len(await process.rows("SELECT FROM users")) == 1
    rows = await process.rows("SELECT type FROM outbox WHERE type LIKE 'User%'")
    assert [row["type"] for row in rows] == ["UserCreated"]


async def test_an_address_is_verified_by_who_gets_what_is_sent_there(
    process: Process, mailbox: Mailbox
) -> None:
    await process.sign_up()
    token = await mailbox.token(VERIFY)
    tries = [await _post(process, "auth/verification/confirm", token=token) for _ in range(2)]
    assert [answer.status_code for answer in tries] == [204, 422]
    assert tries[1].json()["code"] == "messages.invalid_token"
    me = await process.http.get("/v1/users/me", headers=await process.bearer())
    assert (me.json()["emailVerified"], me.headers["etag"]) == (True, '"2"')
    (event,) = await process.rows("SELECT * FROM outbox WHERE type = 'EmailVerified'")
    assert event["actor"] == event["subject"] == me.json()["id"]


async def test_a_password_is_reset_once_however_many_try(
    process: Process, mailbox: Mailbox
) -> None:
    await process.sign_up()
    login = (await process.log_in()).json()
    token = await _reset_token(process, mailbox)
    answers = await asyncio.gather(
        *(
            _post(
                process, "auth/password-reset/confirm", token=token, newPassword=f"{NEW} {number}"
            )
            for number in range(20)
        )
    )
    codes = [answer.status_code for answer in answers]
    assert sorted(codes) == [204, *[422] * 19]
    won = f"{NEW} {codes.index(204)}"
    assert (await process.log_in(password=won)).status_code == 200
    assert (await process.log_in()).status_code == 401
    assert await _refresh(process, login) == 401
    (row,) = await process.rows("SELECT is_verified FROM users")
    assert row["is_verified"]
    assert (await mailbox.last(MessageKind.PASSWORD_CHANGED)).to == ADA


async def test_a_bad_password_does_not_cost_the_token(process: Process, mailbox: Mailbox) -> None:
    await process.sign_up()
    token = await _reset_token(process, mailbox)
    for password, status in (("password1", 422), (NEW, 204)):
        answer = await _post(
            process, "auth/password-reset/confirm", token=token, newPassword=password
        )
        assert answer.status_code == status


async def test_a_token_is_valid_for_an_hour(process: Process, mailbox: Mailbox) -> None:
    await process.sign_up()
    token = await _reset_token(process, mailbox)
    await process.database.execute(
        "UPDATE messages SET token_expires_at = token_expires_at - interval '1 hour 1 second'"
    )
    answer = await _post(process, "auth/password-reset/confirm", token=token, newPassword=NEW)
    assert answer.json()["code"] == "messages.invalid_token"


@pytest.mark.parametrize("what", ["verification", "password-reset"])
async def test_a_request_tells_nothing(process: Process, what: str) -> None:
    await process.sign_up()
    before = len(await process.rows("SELECT FROM outbox"))
    known = await _post(process, f"auth/{what}/request", email=ADA)
    unknown = await _post(process, f"auth/{what}/request", email="nobody@example.com")
    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content == b""
    assert known.headers.keys() == unknown.headers.keys()
    assert len(await process.rows("SELECT FROM outbox")) == before + 2


async def test_neither_address_nor_token_is_kept_or_logged(
    process: Process, mailbox: Mailbox
) -> None:
    with capture_logs() as lines:
        await process.sign_up()
        await process.sign_up()
        verify, reset = await mailbox.token(VERIFY), await _reset_token(process, mailbox)
        await _post(process, "auth/verification/confirm", token=verify)
        await _post(process, "auth/password-reset/confirm", token=reset, newPassword=NEW)
        await asyncio.sleep(0)  # the driver tells of its queries a little later
    outbox, messages = "SELECT * FROM outbox", "SELECT * FROM messages"
    kept = str([await process.rows(outbox), await process.rows(messages)])
    for secret in (ADA, verify, reset, NEW, PASSWORD):
        assert secret not in kept
        assert not [line for line in lines if secret in str(line)]


@pytest.mark.parametrize("role", ["customer", "support", "auditor", "admin"])
async def test_no_user_reads_messages(process: Process, mailbox: Mailbox, role: str) -> None:
    await process.sign_up(email="victim@example.com")
    ((message_id, _),) = await mailbox.requested(VERIFY)
    somebody = await process.account("somebody", role)
    answer = await somebody.post(f"/v1/auth/messages/{message_id}/compose", None)
    assert answer.status_code == 403
    nobody = await process.http.post(f"/v1/auth/messages/{message_id}/compose")
    assert nobody.status_code == 401


async def test_what_is_not_to_be_sent_is_not_found(process: Process, mailbox: Mailbox) -> None:
    await _post(process, "auth/password-reset/request", email="nobody@example.com")
    ((message_id, user_id),) = await mailbox.requested(RESET)
    assert user_id is None
    assert await mailbox.client.compose(message_id) is None
    assert await mailbox.client.compose(uuid7()) is None
    headers = {"Authorization": f"Bearer {await mailbox.tokens.get()}"}
    answer = await process.http.post(f"/v1/auth/messages/{message_id}/compose", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "messages.not_found")


async def test_a_message_is_kept_by_nobody_on_the_way(process: Process, mailbox: Mailbox) -> None:
    await process.sign_up()
    ((message_id, _),) = await mailbox.requested(VERIFY)
    headers = {"Authorization": f"Bearer {await mailbox.tokens.get()}"}
    answer = await process.http.post(f"/v1/auth/messages/{message_id}/compose", headers=headers)
    assert answer.headers["cache-control"] == "no-store"


async def test_who_is_not_verified_may_be_kept_out(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    await auth_database.empty()
    strict = {**environ, "THROUGHLINE_AUTH_USER_VERIFIED_LOGIN": "true"}
    async with opened(strict, auth_database) as process:
        mailbox = Mailbox(process)
        await process.sign_up()
        known, unknown = await process.log_in(), await process.log_in(email="no@example.com")
        assert known.status_code == unknown.status_code == 401
        assert known.json()["code"] == unknown.json()["code"]
        await _post(process, "auth/verification/confirm", token=await mailbox.token(VERIFY))
        assert (await process.log_in()).status_code == 200
        await process.account("admin", "admin")  # whom an operator made
