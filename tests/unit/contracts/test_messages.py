"""The client that gets messages from `auth`."""

import httpx
import pytest

from libs.auth.permissions import CLIENTS, ROLES, Permission
from libs.auth.service_tokens import ServiceTokens
from libs.contracts.auth import Message, MessageClient, MessageKind
from libs.errors import Unauthenticated, Unavailable
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings
from libs.ids import uuid7

MESSAGE = Message(
    kind=MessageKind.RESET_PASSWORD, to="ada@example.com", subject="A subject", text="a token"
)


class Issuer:
    """Gives tokens "1", "2", ..."""

    def __init__(self) -> None:
        self.given = 0

    async def __call__(self) -> tuple[str, int]:
        self.given += 1
        return str(self.given), 600


def _problem(code: str, status: int) -> httpx.Response:
    body = {"code": code, "status": status, "detail": "No"}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def _client(*answers: httpx.Response, issuer: Issuer | None = None) -> MessageClient:
    given = iter(answers)
    transport = httpx.MockTransport(lambda _: next(given))
    http = HttpClient("auth", "http://auth.test", HttpClientSettings(), transport)
    return MessageClient(http, ServiceTokens(issuer or Issuer()))


async def test_a_message() -> None:
    client = _client(httpx.Response(200, content=MESSAGE.to_json()))
    assert await client.compose(uuid7()) == MESSAGE


async def test_a_token_that_is_refused_is_replaced_once() -> None:
    issuer = Issuer()
    refused = _problem("unauthenticated", 401)
    answered = httpx.Response(200, content=MESSAGE.to_json())
    assert await _client(refused, answered, issuer=issuer).compose(uuid7()) == MESSAGE
    assert issuer.given == 2
    with pytest.raises(Unauthenticated):
        await _client(refused, refused).compose(uuid7())


async def test_one_that_is_not_to_be_sent_is_none() -> None:
    assert await _client(_problem("messages.not_found", 404)).compose(uuid7()) is None


@pytest.mark.parametrize("answer", [_problem("route_not_found", 404), httpx.Response(204)])
async def test_who_does_not_know_of_messages_is_asked_again_later(answer: httpx.Response) -> None:
    with pytest.raises(Unavailable):
        await _client(answer).compose(uuid7())


def test_messages_are_for_the_module_that_sends_them_and_for_no_user() -> None:
    permission = Permission.MESSAGES_SEND
    assert [role for role, granted in ROLES.items() if permission in granted] == ["service"]
    assert [name for name, granted in CLIENTS.items() if permission in granted] == ["worker"]
