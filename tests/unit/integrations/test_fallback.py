"""In which order an answer is looked for: recent, kept, asked, outdated, shipped."""

from datetime import date
from decimal import Decimal

import pytest

from libs.cache.memory import MemoryStore
from libs.errors import Unavailable
from services.integrations.answers import OUTDATED_S, RECENT_S, UNKNOWN_S
from services.integrations.exchange_rates.errors import UnknownCurrency
from services.integrations.holidays.errors import UnknownCountry
from tests.clock import Clock
from tests.unit.integrations.parties import (
    DAY,
    HOLIDAYS,
    HOUR,
    RATE,
    Party,
    exchange_rates,
    figures,
    holidays,
    public_holidays,
    rate,
)

ASKED = (Decimal("1.0868"), False)
OUTDATED = (Decimal("1.0868"), True)
SHIPPED = (Decimal("1.1172"), True)
JITTER = 1.11
"""More than the cache shifts the end of a value's freshness."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


async def test_the_third_party_is_asked_once_while_its_answer_is_fresh(
    clock: Clock, store: MemoryStore
) -> None:
    party = Party(RATE)
    service = exchange_rates(party, store)
    for _ in range(3):
        assert figures(await rate(service)) == ASKED
        clock.now += RECENT_S * JITTER  # out of the recent answers, not of the kept ones
    assert len(party.requests) == 1
    clock.now += HOUR * JITTER
    assert figures(await rate(service)) == ASKED
    assert len(party.requests) == 2


async def test_pairs_are_told_apart(store: MemoryStore) -> None:
    party = Party(RATE)
    service = exchange_rates(party, store)
    await rate(service, "EUR", "USD")
    party.body = b'{"amount":1,"base":"USD","date":"2026-11-20","rates":{"EUR":0.92}}'
    assert figures(await rate(service, "USD", "EUR")) == (Decimal("0.92"), False)


@pytest.mark.parametrize("failure", ["gone", "error", "garbage"])
async def test_an_outdated_answer_is_better_than_the_snapshot(
    clock: Clock, store: MemoryStore, failure: str
) -> None:
    party = Party(RATE)
    service = exchange_rates(party, store)
    await rate(service)
    clock.now += HOUR * JITTER
    _break(party, failure)
    found = await rate(service)
    assert figures(found) == OUTDATED
    assert found.as_of == date(2026, 11, 20)
    clock.now += OUTDATED_S + HOUR
    assert figures(await rate(service)) == SHIPPED


@pytest.mark.parametrize("failure", ["gone", "error", "garbage"])
async def test_without_a_kept_answer_the_snapshot_answers(store: MemoryStore, failure: str) -> None:
    party = Party(RATE)
    _break(party, failure)
    found = await rate(exchange_rates(party, store))
    assert figures(found) == SHIPPED
    assert (found.as_of, found.source) == (date(2026, 10, 30), "a snapshot")


async def test_an_outage_costs_one_caller_a_minute(clock: Clock, store: MemoryStore) -> None:
    party = Party(RATE)
    party.gone = True
    service = exchange_rates(party, store)
    for _ in range(5):
        assert figures(await rate(service)) == SHIPPED
    assert len(party.requests) == 1
    clock.now += RECENT_S * JITTER
    assert figures(await rate(service)) == SHIPPED
    assert len(party.requests) == 2


async def test_the_snapshot_is_forgotten_when_the_third_party_is_back(
    clock: Clock, store: MemoryStore
) -> None:
    party = Party(RATE)
    party.gone = True
    service = exchange_rates(party, store)
    assert figures(await rate(service)) == SHIPPED
    party.gone = False
    clock.now += RECENT_S * JITTER
    assert figures(await rate(service)) == ASKED


async def test_without_redis_the_third_party_is_asked_each_time(store: MemoryStore) -> None:
    store.gone = True
    party = Party(RATE)
    service = exchange_rates(party, store)
    assert [figures(await rate(service)) for _ in range(2)] == [ASKED, ASKED]
    assert len(party.requests) == 2
    party.gone = True
    assert figures(await rate(service)) == SHIPPED


async def test_a_currency_has_itself_as_its_rate_without_a_call(store: MemoryStore) -> None:
    party = Party()
    party.gone = True
    found = await rate(exchange_rates(party, store), "JPY", "JPY")
    assert figures(found) == (Decimal(1), False)
    assert party.requests == []


async def test_what_the_third_party_does_not_know_is_remembered_for_a_while(
    clock: Clock, store: MemoryStore
) -> None:
    party = Party(status=404)
    service = exchange_rates(party, store)
    for _ in range(2):
        with pytest.raises(UnknownCurrency):
            await service.rate("EUR", "XXX")
        clock.now += RECENT_S * JITTER
    assert len(party.requests) == 1
    clock.now += UNKNOWN_S * JITTER
    with pytest.raises(UnknownCurrency):
        await service.rate("EUR", "XXX")
    assert len(party.requests) == 2


async def test_that_it_denies_what_the_snapshot_knows_is_not_believed(store: MemoryStore) -> None:
    """A proxy or a wrong address answers 404 to everything."""
    assert figures(await rate(exchange_rates(Party(status=404), store))) == SHIPPED
    found = await holidays(public_holidays(Party(status=404), store))
    assert found.stale


async def test_nobody_knows_whether_a_currency_exists_during_an_outage(store: MemoryStore) -> None:
    party = Party()
    party.gone = True
    with pytest.raises(Unavailable):
        await exchange_rates(party, store).rate("EUR", "XXX")


async def test_holidays_go_the_same_way(clock: Clock, store: MemoryStore) -> None:
    party = Party(HOLIDAYS)
    service = public_holidays(party, store)
    assert [h.date.month for h in (await holidays(service)).holidays] == [1, 12]
    party.gone = True
    clock.now += DAY * JITTER
    outdated = await holidays(service)
    assert (len(outdated.holidays), outdated.stale, outdated.source) == (2, True, "party")
    clock.now += OUTDATED_S + DAY
    shipped = await holidays(service)
    assert (len(shipped.holidays), shipped.stale, shipped.source) == (1, True, "a snapshot")


async def test_a_country_may_be_unknown(store: MemoryStore) -> None:
    with pytest.raises(UnknownCountry):
        await public_holidays(Party(status=404), store).of("ZZ", 2026)


@pytest.mark.parametrize(("country", "year"), [("DE", 2029), ("AR", 2026)])
async def test_beyond_the_snapshot_an_outage_is_one(
    store: MemoryStore, country: str, year: int
) -> None:
    party = Party()
    party.gone = True
    with pytest.raises(Unavailable):
        await public_holidays(party, store).of(country, year)


def _break(party: Party, failure: str) -> None:
    party.gone = failure == "gone"
    if failure == "error":
        party.status = 500
    if failure == "garbage":
        party.body = b"<html>It works!</html>"
