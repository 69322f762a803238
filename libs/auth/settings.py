"""What issuer and verifiers of tokens are given."""

from typing import ClassVar

from pydantic import Field, SecretStr

from libs.config import Group


class TokenSettings(Group):
    """What issuer and verifiers of access tokens agree on."""

    prefix: ClassVar[str] = "TOKEN"

    issuer: str = Field("throughline", description="`iss` of access tokens")
    audience: str = Field("throughline", description="`aud` of access tokens")


class ServiceAccount(Group):
    """What a module shows to get a token of its own."""

    prefix: ClassVar[str] = "CLIENT"
    per_module: ClassVar[bool] = True

    secret: SecretStr = Field(description="the secret of the module's service account")
