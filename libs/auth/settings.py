"""What issuer and verifiers of tokens are given."""

from typing import ClassVar

from pydantic import Field, SecretStr

from libs.config import Group


class TokenSettings(Group):
    """What issuer and verifiers of access tokens agree on."""

    prefix: ClassVar[str] = "TOKEN"

    issuer: str = Field("throughline", description="`iss` of access tokens")
    audience: str = Field("throughline", description="`aud` of access tokens")
    publish_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="how long a new signing key is published before it signs, in seconds;"
        " verifiers look for new keys three times as often",
    )
    deny_poll_s: float = Field(
        3,
        gt=0,
        le=5,
        description="how often a process asks which sessions have ended, in seconds",
    )

    @property
    def keys_max_age_s(self) -> float:
        """How old the keys of a verifier may be: seconds."""
        return self.publish_s / 3


class ServiceAccount(Group):
    """What a module shows to get a token of its own."""

    prefix: ClassVar[str] = "CLIENT"
    per_module: ClassVar[bool] = True

    secret: SecretStr = Field(description="the secret of the module's service account")
