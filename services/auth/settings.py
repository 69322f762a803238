"""What the module `auth` is given."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, Json, SecretStr

from libs.auth.permissions import CLIENTS
from libs.auth.settings import TokenSettings
from libs.cache.settings import CacheSettings
from libs.config import Group, ModuleSettings
from libs.db.settings import DatabaseSettings, IdempotencySettings
from libs.events.settings import ConsumerSettings, EventSettings, RelaySettings
from libs.schema import Country
from libs.web.settings import CursorSettings

MAX_ACCESS_TOKEN_S: Final = 3600


class SigningSettings(Group):
    """How long access tokens live."""

    prefix: ClassVar[str] = "SIGNING"
    per_module: ClassVar[bool] = True

    access_token_s: int = Field(
        600,
        ge=1,
        le=MAX_ACCESS_TOKEN_S,
        description="how long an access token is valid, in seconds",
    )


class KeySettings(Group):
    """What the private keys in the database are encrypted with."""

    prefix: ClassVar[str] = "KEY"
    per_module: ClassVar[bool] = True

    secret: SecretStr = Field(
        min_length=22,
        description="encrypts the private keys of access tokens in the database; 128 random bits or"
        " more",
    )
    former_secret: SecretStr | None = Field(
        None,
        min_length=1,
        description="the secret before this one, as long as a key signs that it has encrypted",
    )

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secret to encrypt with, and those that something may be encrypted with."""
        given = (self.secret, self.former_secret)
        return tuple(secret.get_secret_value().encode() for secret in given if secret is not None)


class SessionSettings(Group):
    """How long users stay logged in."""

    prefix: ClassVar[str] = "SESSION"
    per_module: ClassVar[bool] = True

    idle_d: float = Field(
        14, gt=0, description="after how many days without use a session is over, and its token"
    )
    absolute_d: float = Field(
        90, gt=0, description="after how many days a session is over in any case"
    )
    grace_s: float = Field(
        10,
        ge=0,
        le=60,
        description="how long a second use of a refresh token counts as a client's own repetition,"
        " in seconds",
    )
    keep_d: float = Field(30, gt=0, description="how long a session is kept after its end, in days")
    reap_every_s: float = Field(
        300, gt=0, description="how often what is too old is looked for, in seconds; on the average"
    )
    reap_batch: int = Field(
        1000, ge=1, le=100_000, description="how many rows are deleted in a transaction"
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


def _known_client(name: str) -> str:
    if name not in CLIENTS:
        raise ValueError(f"no such service account (there are {', '.join(sorted(CLIENTS))})")
    return name


ClientName = Annotated[str, AfterValidator(_known_client)]


class ServiceClients(Group):
    """The service accounts of other modules."""

    prefix: ClassVar[str] = "SERVICE"
    per_module: ClassVar[bool] = True

    clients: Json[
        dict[ClientName, Sha256 | Annotated[list[Sha256], Field(min_length=1, max_length=2)]]
    ] = Field(
        {},
        description='{"<module>": "<SHA-256 of its secret, in hex>"}, or a list of two while the'
        " secret is being changed; the secrets are random, of 128 bits or more, so that a plain"
        " hash is enough",
    )

    @property
    def hashes(self) -> Mapping[str, tuple[str, ...]]:
        """The hashes of the secrets that each account may show."""
        given = self.clients.items()
        return {name: (h,) if isinstance(h, str) else tuple(h) for name, h in given}


class UserSettings(Group):
    """How users are dealt with."""

    prefix: ClassVar[str] = "USER"
    per_module: ClassVar[bool] = True

    default_country: Country = Field(
        "DE", description="the country of a user who names none, in ISO 3166-1 alpha-2"
    )
    profile_ttl_s: float = Field(
        30,
        gt=0,
        le=600,
        description="how long what is shown of a user is cached, give or take a tenth, in seconds;"
        " the longest that another process shows an old state if Redis took no notice of a change",
    )
    verified_login: bool = Field(
        False,
        description="whether only users log in whose e-mail address is verified",
    )


class MessageSettings(Group):
    """Messages to users, which the module `worker` sends."""

    prefix: ClassVar[str] = "MESSAGE"
    per_module: ClassVar[bool] = True

    link_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="where the pages are that the links in messages lead to; without it a message"
        " has the token alone",
    )
    token_s: float = Field(
        3600,
        ge=60,
        le=86_400,
        description="how long a token in a message is valid, in seconds",
    )
    pause_s: float = Field(
        60,
        ge=0,
        description="how long a user is not sent another message of the same kind, if a stranger"
        " asks for it, in seconds",
    )


class ErasureSettings(Group):
    """When personal data of deleted users are erased."""

    prefix: ClassVar[str] = "ERASURE"
    per_module: ClassVar[bool] = True

    after_d: float = Field(
        30, ge=0, description="after how many days the personal data of a deleted user are erased"
    )
    every_s: float = Field(
        3600, gt=0, description="how often such users are looked for, in seconds; on the average"
    )
    batch: int = Field(500, ge=1, le=100_000, description="how many are erased in a transaction")


class ThrottleSettings(Group):
    """How failed attempts to log in are slowed down."""

    prefix: ClassVar[str] = "THROTTLE"
    per_module: ClassVar[bool] = True

    enabled: bool = Field(True, description="whether failed attempts to log in are counted")
    free: int = Field(
        5,
        ge=1,
        description="attempts at an account from one /24 (IPv6: /64) that fail before there are"
        " delays; the first is a second, each further one twice as long",
    )
    at_once: int = Field(
        20,
        ge=1,
        description="attempts at an account from one /24 (IPv6: /64) that may be under way",
    )
    network_free: int = Field(
        100, ge=1, description="the same for all accounts together, from one /24 (IPv6: /64)"
    )
    account_free: int = Field(
        50,
        ge=1,
        description="attempts at an account, from anywhere, that fail before those from networks"
        " are slowed down where nobody has logged in to it",
    )
    longest_s: float = Field(900, gt=0, le=86_400, description="the longest delay, in seconds")
    keep_s: float = Field(
        3600, gt=0, description="how long failures count after the last one, in seconds"
    )


class AuthSettings(ModuleSettings):
    """All of it."""

    database: DatabaseSettings
    idempotency: IdempotencySettings
    cache: CacheSettings
    cursors: CursorSettings
    events: EventSettings
    relay: RelaySettings
    consumer: ConsumerSettings
    tokens: TokenSettings
    signing: SigningSettings
    keys: KeySettings
    sessions: SessionSettings
    passwords: PasswordSettings
    service: ServiceClients
    throttle: ThrottleSettings
    users: UserSettings
    messages: MessageSettings
    erasure: ErasureSettings


SETTINGS = AuthSettings
