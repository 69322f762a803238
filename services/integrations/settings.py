"""What integrations is given."""

from typing import ClassVar

from pydantic import Field

from libs.cache.settings import CacheSettings
from libs.config import Group, ModuleSettings

_URL = r"^https?://[^\s?#]+$"


class ExchangeRatesSettings(Group):
    """The third party for exchange rates, with the API of Frankfurter (https://frankfurter.dev)."""

    prefix: ClassVar[str] = "EXCHANGE_RATES"
    per_module: ClassVar[bool] = True

    url: str = Field(
        "https://api.frankfurter.dev", pattern=_URL, description="where the exchange rates are from"
    )


class HolidaysSettings(Group):
    """The third party for public holidays, with the API of Nager.Date (https://date.nager.at)."""

    prefix: ClassVar[str] = "HOLIDAYS"
    per_module: ClassVar[bool] = True

    url: str = Field(
        "https://date.nager.at", pattern=_URL, description="where the public holidays are from"
    )


class ThirdPartySettings(Group):
    """How patient the module is with third parties: less than its callers are with it."""

    prefix: ClassVar[str] = "THIRD_PARTY"
    per_module: ClassVar[bool] = True

    timeout_s: float = Field(1.5, gt=0, description="the longest one attempt may wait, in seconds")
    deadline_s: float = Field(
        2.5, gt=0, description="the longest a call may take with all its attempts, in seconds"
    )
    attempts: int = Field(2, ge=1, description="how often a call is tried")


class IntegrationsSettings(ModuleSettings):
    """All of it."""

    uses: ClassVar[tuple[str, ...]] = ("auth",)

    cache: CacheSettings
    third_party: ThirdPartySettings
    exchange_rates: ExchangeRatesSettings
    holidays: HolidaysSettings


SETTINGS = IntegrationsSettings
