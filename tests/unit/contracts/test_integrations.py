"""The client of `integrations`: a token that is refused is replaced, once."""

import httpx
import pytest

from libs.auth.service_tokens import ServiceTokens
from libs.contracts.integrations import IntegrationsClient
from libs.errors import Unauthenticated, Unavailable
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings

RATE = b'{"base":"EUR","quote":"USD","rate":"1.0868","asOf":"2026-11-20","stale":false,"source":""}'


class Issuer:
    """Gives tokens "1", "2", ..."""

    def __init__(self) -> None:
        self.given = 0

    async def __call__(self) -> tuple[str, int]:
        self.given += 1
        return str(self.given), 600


def client(issuer: Issuer, *, accepts: str) -> IntegrationsClient:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == f"Bearer {accepts}":
            return httpx.Response(200, content=RATE)
        problem = {"code": "unauthenticated", "status": 401, "detail": "No"}
        return httpx.Response(
            401, json=problem, headers={"content-type": "application/problem+json"}
        )

    http = HttpClient(
        "integrations", "http://integrations", HttpClientSettings(), httpx.MockTransport(answer)
    )
    return IntegrationsClient(http, ServiceTokens(issuer))


async def test_one_token_serves_many_calls() -> None:
    issuer = Issuer()
    integrations = client(issuer, accepts="1")

    for _ in range(3):
        await integrations.exchange_rate(base="EUR", quote="USD")

    assert issuer.given == 1


async def test_a_refused_token_is_replaced() -> None:
    issuer = Issuer()

    rate = await client(issuer, accepts="2").exchange_rate(base="EUR", quote="USD")

    assert str(rate.rate) == "1.0868"
    assert issuer.given == 2


async def test_an_account_that_is_refused_is_not_tried_for_ever() -> None:
    issuer = Issuer()

    with pytest.raises(Unauthenticated):
        await client(issuer, accepts="none").exchange_rate(base="EUR", quote="USD")

    assert issuer.given == 2


async def test_an_answer_of_somebody_else_is_an_outage() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404, text="no such page"))
    http = HttpClient("integrations", "http://integrations", HttpClientSettings(), transport)

    with pytest.raises(Unavailable):
        await IntegrationsClient(http, ServiceTokens(Issuer())).holidays(country="DE", year=2026)
