"""What the module `auth` is given."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, Json

from libs.auth.settings import TokenSettings
from libs.config import Group, ModuleSettings
from libs.db.settings import DatabaseSettings
from libs.events.settings import EventSettings, RelaySettings
from libs.schema import Country


class SigningSettings(Group):
    """How access tokens are signed, and how long they live."""

    prefix: ClassVar[str] = "SIGNING"
    per_module: ClassVar[bool] = True

    key_file: Path = Field(description="the PEM file with the P-256 private key of access tokens")
    access_token_s: int = Field(
        600, ge=1, le=3600, description="how long an access token is valid, in seconds"
    )


class PasswordSettings(Group):
    """What an argon2id hash of a password costs (OWASP's minimum; RFC 9106 has the terms)."""

    prefix: ClassVar[str] = "PASSWORD"
    per_module: ClassVar[bool] = True

    memory_kib: int = Field(19_456, ge=8, description="memory that a hash takes, in KiB")
    iterations: int = Field(2, ge=1, description="passes over that memory")
    parallelism: int = Field(1, ge=1, description="lanes of a hash")
    concurrency: int = Field(2, ge=1, description="hashes that are computed at the same time")


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ServiceClients(Group):
    """The service accounts of other modules."""

    prefix: ClassVar[str] = "SERVICE"
    per_module: ClassVar[bool] = True

    clients: Json[dict[str, Sha256]] = Field(
        {},
        description='{"<module>": "<SHA-256 of its secret, in hex>"}; the secrets are random, of'
        " 128 bits or more, so that a plain hash is enough",
    )


class UserSettings(Group):
    """What a new user is given who does not say otherwise."""

    prefix: ClassVar[str] = "USER"
    per_module: ClassVar[bool] = True

    default_country: Country = Field("DE", description="ISO 3166-1 alpha-2")


class AuthSettings(ModuleSettings):
    """All of it."""

    database: DatabaseSettings
    events: EventSettings
    relay: RelaySettings
    tokens: TokenSettings
    signing: SigningSettings
    passwords: PasswordSettings
    service: ServiceClients
    users: UserSettings


SETTINGS = AuthSettings
