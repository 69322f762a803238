"""Third parties that answer what a test says, without a socket."""

from decimal import Decimal

import httpx

from libs.cache.memory import MemoryStore
from libs.contracts.integrations import ExchangeRate, Holidays
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings
from services.integrations.answers import Answers
from services.integrations.exchange_rates.adapter import Frankfurter
from services.integrations.exchange_rates.service import ExchangeRates
from services.integrations.exchange_rates.snapshot import RatesSnapshot
from services.integrations.holidays.adapter import NagerDate
from services.integrations.holidays.service import PublicHolidays
from services.integrations.holidays.snapshot import HolidaysSnapshot

HOUR = 3600.0
DAY = 24 * HOUR

RATE = b'{"amount":1.0,"base":"EUR","date":"2026-11-20","rates":{"USD":1.0868}}'
HOLIDAYS = b"""[
  {"date":"2026-12-26","localName":"Zweiter Weihnachtstag","name":"St. Stephen's Day",
   "countryCode":"DE","fixed":false,"global":true,"counties":null,"launchYear":null,
   "types":["Public"]},
  {"date":"2026-01-01","localName":"Neujahr","name":"New Year's Day","countryCode":"DE",
   "fixed":false,"global":true,"counties":null,"launchYear":null,"types":["Public"]},
  {"date":"2026-01-06","localName":"Heilige Drei K\xc3\xb6nige","name":"Epiphany",
   "countryCode":"DE","fixed":false,"global":false,"counties":["DE-BW","DE-BY","DE-ST"],
   "launchYear":null,"types":["Public"]},
  {"date":"2026-12-24","localName":"Heiligabend","name":"Christmas Eve","countryCode":"DE",
   "fixed":false,"global":true,"counties":null,"launchYear":null,"types":["Bank","Optional"]}
]"""


class Party:
    """Answers with `body` and `status`, or not at all while it is `gone`; keeps the requests."""

    def __init__(self, body: bytes = b"", status: int = 200) -> None:
        self.body = body
        self.status = status
        self.gone = False
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.gone:
            raise httpx.ConnectError("gone", request=request)
        return httpx.Response(self.status, content=self.body)

    def client(self) -> HttpClient:
        settings = HttpClientSettings(
            timeout_s=1, deadline_s=2, attempts=1, backoff_s=0, breaker_failures=1000
        )
        return HttpClient("party", "http://party.test", settings, httpx.MockTransport(self))


def rates_snapshot() -> RatesSnapshot:
    return RatesSnapshot.model_validate(
        {
            "source": "a snapshot",
            "asOf": "2026-10-30",
            "base": "EUR",
            "rates": {"USD": "1.1172", "JPY": "175.68", "ISK": "136"},
        }
    )


def holidays_snapshot() -> HolidaysSnapshot:
    return HolidaysSnapshot.model_validate(
        {"source": "a snapshot", "countries": {"DE": {"2026-12-25": "Christmas Day"}}}
    )


def exchange_rates(party: Party, store: MemoryStore) -> ExchangeRates:
    return ExchangeRates(
        answers=Answers(store, kind=ExchangeRate, namespace="rates", fresh_s=HOUR),
        third_party=Frankfurter(party.client()),
        snapshot=rates_snapshot(),
    )


def public_holidays(party: Party, store: MemoryStore) -> PublicHolidays:
    return PublicHolidays(
        answers=Answers(store, kind=Holidays, namespace="holidays", fresh_s=DAY),
        third_party=NagerDate(party.client()),
        snapshot=holidays_snapshot(),
    )


async def rate(service: ExchangeRates, base: str = "EUR", quote: str = "USD") -> ExchangeRate:
    return ExchangeRate.model_validate_json(await service.rate(base, quote))


async def holidays(service: PublicHolidays, country: str = "DE", year: int = 2026) -> Holidays:
    return Holidays.model_validate_json(await service.of(country, year))


def figures(found: ExchangeRate) -> tuple[Decimal, bool]:
    return found.rate, found.stale
