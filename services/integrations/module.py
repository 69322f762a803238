"""The module `integrations`: what third parties know, cached, and answered without them too.

It runs without a database, a broker and their libraries.
"""

from libs.cache.redis import RedisConnection
from libs.contracts.integrations import ExchangeRate, Holidays
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings
from libs.module import Check, Host, Module, Wired
from services.integrations.answers import Answers
from services.integrations.exchange_rates import routes as exchange_rate_routes
from services.integrations.exchange_rates.adapter import Frankfurter
from services.integrations.exchange_rates.service import ExchangeRates
from services.integrations.exchange_rates.snapshot import RatesSnapshot
from services.integrations.holidays import routes as holiday_routes
from services.integrations.holidays.adapter import NagerDate
from services.integrations.holidays.service import PublicHolidays
from services.integrations.holidays.snapshot import HolidaysSnapshot
from services.integrations.settings import IntegrationsSettings
from services.integrations.third_parties import ThirdParties

RATES_FRESH_S = 3600.0
HOLIDAYS_FRESH_S = 24 * 3600.0


def build(host: Host, settings: IntegrationsSettings) -> Wired:
    """Put the module together."""
    redis = host.share(RedisConnection)
    redis.configure(settings.cache)
    bounds = HttpClientSettings(**settings.third_party.model_dump())
    third_parties = host.share(ThirdParties)
    rates_client = third_parties.add("frankfurter", settings.exchange_rates.url, bounds)
    holidays_client = third_parties.add("nager.date", settings.holidays.url, bounds)
    rates = _exchange_rates(redis, rates_client)
    holidays = _holidays(redis, holidays_client)
    return Wired(
        routers=(exchange_rate_routes.router(rates), holiday_routes.router(holidays)),
        checks=(Check(name="redis", probe=redis.ping, critical=False),),
    )


def _exchange_rates(redis: RedisConnection, client: HttpClient) -> ExchangeRates:
    answers = Answers(redis, kind=ExchangeRate, namespace="exchange_rates", fresh_s=RATES_FRESH_S)
    return ExchangeRates(
        answers=answers, third_party=Frankfurter(client), snapshot=RatesSnapshot.shipped()
    )


def _holidays(redis: RedisConnection, client: HttpClient) -> PublicHolidays:
    answers = Answers(redis, kind=Holidays, namespace="holidays", fresh_s=HOLIDAYS_FRESH_S)
    return PublicHolidays(
        answers=answers, third_party=NagerDate(client), snapshot=HolidaysSnapshot.shipped()
    )


MODULE = Module(
    name="integrations",
    summary="exchange rates and public holidays from third parties",
    settings=IntegrationsSettings,
    build=build,
    routes=(exchange_rate_routes.PATH, holiday_routes.PATH),
)
