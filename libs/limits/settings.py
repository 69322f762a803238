"""How much a client may ask for."""

from typing import ClassVar, Final

from pydantic import Field

from libs.config import Environment, Group

PRINCIPAL: Final = 6_000
ADDRESS: Final = 1_200
SERVICE: Final = 60_000
"""Requests a minute. An address has less than a user, who can be told to stop, and more than one
person needs: all people of an office may have the same. The modules' own accounts have enough for
what they do for many users."""

LOCAL: Final = 100
"""So many times that on one's own machine: a load test of a single user must not be stopped."""


class LimitSettings(Group):
    """Requests that are answered. Whoever sends more of them gets a 429."""

    prefix: ClassVar[str] = "LIMIT"

    enabled: bool = Field(True, description="whether requests are counted at all")
    principal_per_minute: int | None = Field(
        None,
        ge=1,
        description=f"requests of a user; {PRINCIPAL} if not set, {LOCAL} times as many in the"
        " embedded and test profiles",
    )
    address_per_minute: int | None = Field(
        None,
        ge=1,
        description=f"requests of an address (of a /64 in IPv6) that show no valid access token;"
        f" {ADDRESS} if not set, {LOCAL} times as many in the embedded and test profiles",
    )
    service_per_minute: int | None = Field(
        None,
        ge=1,
        description=f"requests of a module's service account; {SERVICE} if not set, {LOCAL} times"
        " as many in the embedded and test profiles",
    )

    def quotas(self, environment: Environment) -> dict[str, int]:
        """Requests a minute, by the name of the policy."""
        factor = LOCAL if environment in ("embedded", "test") else 1
        return {
            "principal": self.principal_per_minute or PRINCIPAL * factor,
            "address": self.address_per_minute or ADDRESS * factor,
            "service": self.service_per_minute or SERVICE * factor,
        }
