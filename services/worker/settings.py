"""What worker is given."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from libs.auth.settings import ServiceAccount
from libs.cache.settings import CacheSettings
from libs.config import Group, ModuleSettings
from libs.db.settings import DatabaseSettings
from libs.events.settings import ConsumerSettings, EventSettings, RelaySettings
from libs.schema import Currency
from libs.web.settings import CursorSettings


class AssessmentSettings(Group):
    """How orders are assessed."""

    prefix: ClassVar[str] = "ASSESSMENT"
    per_module: ClassVar[bool] = True

    reporting_currency: Currency = Field(
        "USD", description="the currency that totals are reported in (ISO 4217)"
    )


class MessageSettings(Group):
    """How messages get to users."""

    prefix: ClassVar[str] = "MESSAGE"
    per_module: ClassVar[bool] = True

    channel: Literal["console", "file", "smtp"] = Field(
        "console",
        description="how messages are sent: `console` only says in the log that there is one",
    )
    folder: Path = Field(Path("messages"), description="where the channel `file` puts messages")
    sender: str = Field(
        "Throughline <no-reply@throughline.example>",
        pattern=r"^[^\s@<>]+@[^\s@<>]+$|^[^@<>\r\n]+ <[^\s@<>]+@[^\s@<>]+>$",
        description="the address that messages come from",
    )
    smtp_host: str = Field("", description="the SMTP server of the channel `smtp`")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="how the connection to it is encrypted"
    )
    smtp_user: str = Field("", description="who we are there; without it nobody logs in")
    smtp_password: SecretStr = Field(SecretStr(""), description="and the password")
    smtp_timeout_s: float = Field(
        10.0, gt=0, le=60, description="how long the SMTP server may take for a step, in seconds"
    )

    @model_validator(mode="after")
    def _has_what_the_channel_needs(self) -> Self:
        if self.channel == "smtp" and not self.smtp_host:
            raise ValueError("smtp needs THROUGHLINE_WORKER_MESSAGE_SMTP_HOST")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("a password is not sent over a connection that is not encrypted")
        return self


class WorkerSettings(ModuleSettings):
    """All of it."""

    uses: ClassVar[tuple[str, ...]] = ("auth", "integrations")

    database: DatabaseSettings
    cache: CacheSettings
    events: EventSettings
    relay: RelaySettings
    consumer: ConsumerSettings
    account: ServiceAccount
    cursors: CursorSettings
    assessment: AssessmentSettings
    messages: MessageSettings


SETTINGS = WorkerSettings
