"""What is answered while third parties and Redis are up, slow, ill and gone."""

import asyncio
import time
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from libs.contracts.integrations import ExchangeRate, Holidays, IntegrationsClient
from services.integrations.exchange_rates.errors import UnknownCurrency
from services.integrations.holidays.errors import UnknownCountry
from tests.integration.integrations.conftest import DEADLINE_S, Scene
from tests.waiting import until

RATE = {
    "base": "EUR",
    "quote": "USD",
    "rate": "1.0868",
    "asOf": "2026-11-20",
    "stale": False,
    "source": "frankfurter",
}
MOODS = ["slow", "failing", "garbage", "forgetful", "gone"]
PATIENCE_S = 15.0
"""Far more than any answer may take; the machine may be busy."""


async def _turn(scene: Scene, mood: str) -> None:
    if mood == "gone":
        await scene.party.go()
    else:
        scene.party.mood = mood


async def test_a_rate_comes_from_the_third_party_and_then_from_redis(scene: Scene) -> None:
    answers = [await scene.rate() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json() for answer in answers] == [RATE, RATE, RATE]
    assert answers[0].headers["content-type"] == "application/json"
    assert scene.party.calls == 1
    assert scene.party.context_ids == ["ctx-integrations-1"]
    assert await scene.values() == {
        "exchange_rates:v1:value:EUR:USD",
        "exchange_rates.recent:v1:value:EUR:USD",
    }


async def test_holidays_come_from_the_third_party_and_then_from_redis(scene: Scene) -> None:
    answers = [await scene.holidays() for _ in range(2)]
    expected = {
        "country": "DE",
        "year": 2026,
        "holidays": [
            {"date": "2026-01-01", "name": "New Year's Day"},
            {"date": "2026-12-25", "name": "Christmas Day"},
        ],
        "stale": False,
        "source": "nager.date",
    }
    assert [answer.json() for answer in answers] == [expected, expected]
    assert scene.party.calls == 1


async def test_many_callers_at_once_are_one_question(scene: Scene) -> None:
    answers = await asyncio.gather(*(scene.rate() for _ in range(20)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert scene.party.calls == 1


@pytest.mark.parametrize("mood", MOODS)
async def test_the_kept_answer_helps_out(scene: Scene, mood: str) -> None:
    await scene.rate()
    scene.let_time_pass()
    await _turn(scene, mood)
    answer = await scene.rate()
    assert (answer.status_code, answer.json()) == (200, {**RATE, "stale": True})


@pytest.mark.parametrize("mood", MOODS)
async def test_the_snapshot_helps_out(scene: Scene, mood: str) -> None:
    await _turn(scene, mood)
    began = time.monotonic()
    rate = ExchangeRate.model_validate_json((await scene.rate()).content)
    holidays = Holidays.model_validate_json((await scene.holidays()).content)
    assert time.monotonic() - began < 2 * DEADLINE_S + PATIENCE_S
    assert rate.stale
    assert rate.source.startswith("European Central Bank")
    assert holidays.stale
    assert len(holidays.holidays) >= 9
    assert not {key for key in await scene.values() if ".recent:" not in key}


@pytest.mark.parametrize("mood", ["slow", "failing"])
async def test_an_outage_costs_its_time_out_once(scene: Scene, mood: str) -> None:
    await _turn(scene, mood)
    await scene.rate()
    calls = scene.party.calls
    for _ in range(5):
        assert (await scene.rate()).json()["stale"]
    assert scene.party.calls == calls


async def test_a_third_party_that_is_back_is_asked_again(scene: Scene) -> None:
    scene.party.mood = "failing"
    assert (await scene.rate()).json()["stale"]
    scene.party.mood = "up"
    scene.let_time_pass()
    assert (await scene.rate()).json() == RATE


async def test_without_redis_everything_goes_on(scene: Scene) -> None:
    await scene.valkey.stop()
    assert (await scene.rate()).json() == RATE
    assert (await scene.holidays()).json()["source"] == "nager.date"
    assert scene.party.calls == 2
    await scene.party.go()
    assert (await scene.rate()).json()["stale"]


async def test_a_currency_against_itself_asks_nobody(scene: Scene) -> None:
    answer = (await scene.rate("JPY", "JPY")).json()
    assert (answer["rate"], answer["stale"]) == ("1", False)
    assert scene.party.calls == 0


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/exchange-rates?base=EUR&quote=XXX", "exchange_rates.unknown_currency"),
        ("/v1/exchange-rates?base=XXX&quote=EUR", "exchange_rates.unknown_currency"),
        ("/v1/holidays?country=ZZ&year=2026", "holidays.unknown_country"),
    ],
)
async def test_what_is_not_known_is_not_found(scene: Scene, path: str, code: str) -> None:
    for _ in range(2):
        problem = _problem(await scene.http.get(path), 404)
        assert problem["code"] == code
        assert problem["contextId"] == "ctx-integrations-1"
    assert scene.party.calls == 1


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("/v1/exchange-rates", ["/query/base", "/query/quote"]),
        ("/v1/exchange-rates?base=eur&quote=USDT", ["/query/base", "/query/quote"]),
        ("/v1/exchange-rates?base=E%2FR&quote=USD", ["/query/base"]),
        ("/v1/holidays?country=DEU&year=2026", ["/query/country"]),
        ("/v1/holidays?country=DE&year=1999", ["/query/year"]),
        ("/v1/holidays?country=DE&year=2101", ["/query/year"]),
        ("/v1/holidays?country=DE&year=soon", ["/query/year"]),
    ],
)
async def test_a_malformed_question_is_refused(
    scene: Scene, path: str, pointers: list[str]
) -> None:
    problem = _problem(await scene.http.get(path), 422)
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert scene.party.calls == 0


@pytest.mark.parametrize("path", ["country=DE&year=2099", "country=AR&year=2026"])
async def test_beyond_the_snapshot_an_outage_is_one(scene: Scene, path: str) -> None:
    await scene.party.go()
    problem = _problem(await scene.http.get(f"/v1/holidays?{path}"), 503)
    assert problem["code"] == "unavailable"


@pytest.mark.parametrize("path", ["/v1/exchange-rates?base=EUR&quote=USD", "/v1/holidays"])
@pytest.mark.parametrize(
    ("authorization", "status"), [("", 401), ("Bearer nonsense", 401), ("Bearer nobody", 403)]
)
async def test_strangers_are_refused(
    scene: Scene, path: str, authorization: str, status: int
) -> None:
    _problem(await scene.http.get(path, headers={"authorization": authorization}), status)
    assert scene.party.calls == 0


@pytest.mark.parametrize("role", ["customer", "service", "admin"])
async def test_whoever_is_signed_in_may_ask(scene: Scene, role: str) -> None:
    scene.http.headers["authorization"] = f"Bearer {role}"
    assert (await scene.rate()).status_code == 200


class _ServiceTokens:
    """The role `service`, as the scene's verifier takes it."""

    async def get(self) -> str:
        return "service"

    def forget(self) -> None:
        raise AssertionError("the token was refused")


async def test_the_contracts_client_reads_all_of_it(scene: Scene) -> None:
    client = IntegrationsClient(scene.runtime.peer("integrations"), _ServiceTokens())
    rate = await client.exchange_rate(base="EUR", quote="USD")
    assert (rate.rate, rate.as_of, rate.stale) == (Decimal("1.0868"), date(2026, 11, 20), False)
    holidays = await client.holidays(country="DE", year=2026)
    assert [holiday.date for holiday in holidays.holidays] == [date(2026, 1, 1), date(2026, 12, 25)]
    with pytest.raises(UnknownCurrency):
        await client.exchange_rate(base="EUR", quote="XXX")
    with pytest.raises(UnknownCountry):
        await client.holidays(country="ZZ", year=2026)


async def test_redis_is_not_critical(scene: Scene) -> None:
    assert (await scene.http.get("/health/ready")).json()["status"] == "up"
    await scene.valkey.stop()
    report = await until(lambda: _degraded(scene), "readiness has noticed")
    assert (await scene.http.get("/health/ready")).status_code == 200
    assert report["dependencies"]["redis"]["critical"] is False


async def _degraded(scene: Scene) -> dict[str, Any] | None:
    """The report, once it says so: answers of dependencies are kept for a second."""
    report: dict[str, Any] = (await scene.http.get("/health/ready")).json()
    return report if report["status"] == "degraded" else None


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    return body
