"""What the program ships with."""

import json
from datetime import date
from decimal import Decimal

import pytest

from services.integrations.exchange_rates.snapshot import RatesSnapshot
from services.integrations.holidays.snapshot import HolidaysSnapshot
from tests.unit.integrations.parties import holidays_snapshot, rates_snapshot


@pytest.mark.parametrize(
    ("base", "quote", "expected"),
    [
        ("EUR", "USD", "1.1172"),  # the source's figure, unaltered
        ("EUR", "ISK", "136"),
        ("USD", "EUR", "0.89509488"),  # 1 / 1.1172 = 0.895094879...
        ("USD", "JPY", "157.25027"),  # 175.68 / 1.1172 = 157.250268...
        ("JPY", "USD", "0.0063592896"),
        ("ISK", "EUR", "0.0073529412"),
    ],
)
def test_a_rate_goes_by_way_of_the_euro(base: str, quote: str, expected: str) -> None:
    found = rates_snapshot().rate(base, quote)
    assert found is not None
    assert json.loads(found.to_json()) == {
        "base": base,
        "quote": quote,
        "rate": expected,
        "asOf": "2026-10-30",
        "stale": True,
        "source": "a snapshot",
    }


@pytest.mark.parametrize(("base", "quote"), [("EUR", "XXX"), ("XXX", "EUR"), ("XXX", "YYY")])
def test_it_does_not_know_every_currency(base: str, quote: str) -> None:
    assert rates_snapshot().rate(base, quote) is None


@pytest.mark.parametrize(("country", "year"), [("DE", 2025), ("DE", 2027), ("ZZ", 2026)])
def test_it_does_not_know_every_country_and_year(country: str, year: int) -> None:
    assert holidays_snapshot().holidays(country, year) is None


def test_the_shipped_rates_are_of_use() -> None:
    snapshot = RatesSnapshot.shipped()
    found = snapshot.rate("EUR", "USD")
    assert found is not None
    assert found.stale
    assert found.as_of == snapshot.as_of
    for base in ("EUR", *snapshot.rates):
        for quote in ("EUR", *snapshot.rates):
            crossed, back = snapshot.rate(base, quote), snapshot.rate(quote, base)
            assert crossed is not None
            assert back is not None
            assert abs(crossed.rate * back.rate - 1) < Decimal("1e-7")
            assert "E" not in json.loads(crossed.to_json())["rate"]


def test_the_shipped_holidays_are_of_use() -> None:
    snapshot = HolidaysSnapshot.shipped()
    found = snapshot.holidays("DE", 2026)
    assert found is not None
    assert found.stale
    days = [holiday.date for holiday in found.holidays]
    assert days == sorted(days)
    assert {date(2026, 1, 1), date(2026, 10, 3), date(2026, 12, 25)} <= set(days)
    for country, named in snapshot.countries.items():
        assert len(country) == 2
        assert all(named.values())
