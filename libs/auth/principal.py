"""Who is asking."""

from dataclasses import dataclass
from typing import Final

from libs.auth.permissions import CLIENTS, Permission, permissions_of

SERVICE: Final = "service:"
"""Before the name of a module that acts by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The verified caller of a request.

    Attributes:
        subject: the user's id, or "service:<module>".
        roles: as granted when the token was issued.
        session_id: the session that the token belongs to; None for a service.
        name: to be shown; empty for a service.
        country: ISO 3166-1 alpha-2; empty for a service.
        revision: of the user's record when the token was issued.
        expires_at: of the token, in seconds since the epoch.
    """

    subject: str
    roles: tuple[str, ...]
    session_id: str | None = None
    name: str = ""
    country: str = ""
    revision: int = 0
    expires_at: int = 0

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles grants `permission`; to a module, if it is its own as well."""
        if permission not in permissions_of(self.roles):
            return False
        if not self.subject.startswith(SERVICE):
            return True
        return permission in CLIENTS.get(self.subject.removeprefix(SERVICE), ())
