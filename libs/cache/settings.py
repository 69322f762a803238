"""Where Redis is, and how little it may cost."""

from typing import ClassVar

from pydantic import Field, SecretStr

from libs.config import Group


class CacheSettings(Group):
    """The Redis (or Valkey) that holds what can be lost."""

    prefix: ClassVar[str] = "REDIS"

    url: SecretStr = Field(description="redis://, rediss:// or unix://, with user and password")
    timeout_ms: int = Field(
        50, ge=1, description="the longest a command may take, connecting included, in milliseconds"
    )
    rest_ms: int = Field(
        1000, ge=10, description="how long Redis is not asked after an error, in milliseconds"
    )
