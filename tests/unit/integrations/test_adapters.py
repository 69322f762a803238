"""What third parties say, and what is made of it."""

import json
from datetime import date
from decimal import Decimal

import pytest

from libs.contracts.integrations import ExchangeRate, Holiday, Holidays
from libs.errors import Unavailable
from services.integrations.exchange_rates.adapter import Frankfurter
from services.integrations.holidays.adapter import NagerDate
from tests.unit.integrations.parties import HOLIDAYS, RATE, Party

GARBAGE = (
    b"",
    b"<html>It works!</html>",
    b"\xff\xfe",
    b"null",
    b"[1]",
    b"{}",
    b"[" * 100_000,
)


async def test_a_rate_is_read_exactly() -> None:
    party = Party(RATE)
    found = await Frankfurter(party.client()).latest("EUR", "USD")
    assert found == ExchangeRate(
        base="EUR",
        quote="USD",
        rate=Decimal("1.0868"),
        as_of=date(2026, 11, 20),
        stale=False,
        source="party",
    )
    assert str(party.requests[0].url) == "http://party.test/v1/latest?base=EUR&symbols=USD"


@pytest.mark.parametrize(
    "written", ["0.1", "1.00000000000000000001", "136", "0.000061", "1234567.123456789012345678"]
)
async def test_no_digit_of_a_rate_is_lost(written: str) -> None:
    """A float would keep some seventeen of them, and 0.1 not even exactly."""
    party = Party(RATE.replace(b"1.0868", written.encode()))
    found = await Frankfurter(party.client()).latest("EUR", "USD")
    assert found is not None
    assert found.rate == Decimal(written)
    assert json.loads(found.to_json())["rate"] == written


@pytest.mark.parametrize(
    "body",
    [
        *GARBAGE,
        RATE.replace(b"1.0868", b"0"),
        RATE.replace(b"1.0868", b"-1.0868"),
        RATE.replace(b"1.0868", b"NaN"),
        RATE.replace(b"1.0868", b"Infinity"),
        RATE.replace(b"1.0868", b"true"),
        RATE.replace(b"1.0868", b"null"),
        RATE.replace(b'"EUR"', b'"GBP"'),
        RATE.replace(b'"USD"', b'"JPY"'),
        RATE.replace(b'"amount":1.0', b'"amount":100'),
        RATE.replace(b"2026-11-20", b"yesterday"),
    ],
)
async def test_a_rate_that_makes_no_sense_is_no_rate(body: bytes) -> None:
    with pytest.raises(Unavailable):
        await Frankfurter(Party(body).client()).latest("EUR", "USD")


async def test_a_currency_may_be_unknown() -> None:
    party = Party(b'{"message":"not found"}', status=404)
    assert await Frankfurter(party.client()).latest("EUR", "XXX") is None


async def test_nationwide_public_holidays_are_picked_and_put_in_order() -> None:
    party = Party(HOLIDAYS)
    found = await NagerDate(party.client()).holidays("DE", 2026)
    assert found == Holidays(
        country="DE",
        year=2026,
        holidays=(
            Holiday(date=date(2026, 1, 1), name="New Year's Day"),
            Holiday(date=date(2026, 12, 26), name="St. Stephen's Day"),
        ),
        stale=False,
        source="party",
    )
    assert party.requests[0].url.path == "/api/v3/PublicHolidays/2026/DE"


@pytest.mark.parametrize(
    "body",
    [
        *GARBAGE,
        b'[{"date":"2026-01-01"}]',
        HOLIDAYS.replace(b"2026-01-01", b"2026-02-30"),
        HOLIDAYS.replace(b'"types":["Public"]', b'"types":"Public"'),
    ],
)
async def test_a_list_that_makes_no_sense_is_no_list(body: bytes) -> None:
    with pytest.raises(Unavailable):
        await NagerDate(Party(body).client()).holidays("DE", 2026)


async def test_a_country_without_nationwide_holidays_has_an_empty_list() -> None:
    found = await NagerDate(Party(b"[]").client()).holidays("DE", 2026)
    assert found is not None
    assert found.holidays == ()


async def test_a_country_may_be_unknown() -> None:
    assert await NagerDate(Party(status=404).client()).holidays("ZZ", 2026) is None


@pytest.mark.parametrize("status", [204, 301, 400, 401, 410, 429, 500, 503])
async def test_any_other_status_is_an_outage(status: int) -> None:
    with pytest.raises(Unavailable):
        await Frankfurter(Party(RATE, status).client()).latest("EUR", "USD")
    with pytest.raises(Unavailable):
        await NagerDate(Party(HOLIDAYS, status).client()).holidays("DE", 2026)
