"""Where a module's database is, how patient the module is with it, and how long keys are kept."""

from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from libs.config import Group

SCHEMES = ("postgres", "postgresql")


class DatabaseSettings(Group):
    """A module's access to PostgreSQL. Its schema is named after the module, whatever the role."""

    prefix: ClassVar[str] = "DATABASE"
    per_module: ClassVar[bool] = True

    url: SecretStr = Field(
        description="postgresql://role:password@host:port/database of the module's own login role"
    )
    pool_min: int = Field(1, ge=0, description="connections that are kept open")
    pool_max: int = Field(10, ge=1, description="the most connections that are open at once")
    acquire_timeout_ms: int = Field(
        1000, ge=1, description="how long to wait for a connection of the pool, or for a new one"
    )
    statement_timeout_ms: int = Field(
        5000, ge=0, description="the longest that a statement may run; 0 for no limit"
    )
    lock_timeout_ms: int = Field(
        2000, ge=0, description="the longest that a statement may wait for a lock; 0 for no limit"
    )
    idle_in_transaction_timeout_ms: int = Field(
        10_000, ge=0, description="the longest that a transaction may rest; 0 for no limit"
    )
    slow_query_ms: int = Field(
        200, ge=0, description="from how long on a statement is logged as a warning"
    )

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in SCHEMES or not parts.username or not parts.path.strip("/"):
            raise ValueError("must have the form postgresql://role:password@host:port/database")
        return value

    @field_validator("pool_max")
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("pool_min", 0):
            raise ValueError("must not be less than the pool's minimum")
        return value


class IdempotencySettings(Group):
    """How long the answers to requests with an idempotency key are kept."""

    prefix: ClassVar[str] = "IDEMPOTENCY"
    per_module: ClassVar[bool] = True

    keep_h: float = Field(72.0, gt=0, description="how long a key is kept, in hours")
    reap_every_s: float = Field(
        300.0, gt=0, description="how often old keys are looked for, in seconds; on the average"
    )
    reap_batch: int = Field(
        1000, ge=1, le=100_000, description="how many keys are deleted in a transaction"
    )
