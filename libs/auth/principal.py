"""Who is asking."""

from dataclasses import dataclass

from libs.auth.permissions import Permission, permissions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The verified caller of a request.

    Attributes:
        subject: the user's id, or "service:<module>".
        roles: as granted when the token was issued.
        name: to be shown; empty for a service.
        country: ISO 3166-1 alpha-2; empty for a service.
        revision: of the user's record when the token was issued.
        expires_at: of the token, in seconds since the epoch.
    """

    subject: str
    roles: tuple[str, ...]
    name: str = ""
    country: str = ""
    revision: int = 0
    expires_at: int = 0

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles grants `permission`."""
        return permission in permissions_of(self.roles)
