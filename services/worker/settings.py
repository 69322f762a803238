"""What worker is given."""

from typing import ClassVar

from pydantic import Field

from libs.auth.settings import ServiceAccount
from libs.config import Group, ModuleSettings
from libs.db.settings import DatabaseSettings
from libs.events.settings import ConsumerSettings, EventSettings, RelaySettings
from libs.schema import Currency


class AssessmentSettings(Group):
    """How orders are assessed."""

    prefix: ClassVar[str] = "ASSESSMENT"
    per_module: ClassVar[bool] = True

    reporting_currency: Currency = Field(
        "USD", description="the currency that totals are reported in (ISO 4217)"
    )


class WorkerSettings(ModuleSettings):
    """All of it."""

    uses: ClassVar[tuple[str, ...]] = ("auth", "integrations")

    database: DatabaseSettings
    events: EventSettings
    relay: RelaySettings
    consumer: ConsumerSettings
    account: ServiceAccount
    assessment: AssessmentSettings


SETTINGS = WorkerSettings
