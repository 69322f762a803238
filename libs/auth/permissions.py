"""Roles, the modules' service accounts, and what they may do: the one table."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache


class Permission(StrEnum):
    """Something that a route may ask for."""

    PROFILE = "profile"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    ORDERS_PLACE = "orders:place"
    ORDERS_READ_OWN = "orders:read-own"
    ORDERS_READ_ALL = "orders:read-all"
    ORDERS_WRITE_OWN = "orders:write-own"
    ORDERS_MANAGE = "orders:manage"
    REFERENCE_READ = "reference:read"
    AUDIT_READ = "audit:read"
    MESSAGES_SEND = "messages:send"


_SIGNED_IN = frozenset({Permission.PROFILE, Permission.CATALOG_READ, Permission.REFERENCE_READ})
_CUSTOMER = _SIGNED_IN | {
    Permission.ORDERS_PLACE,
    Permission.ORDERS_READ_OWN,
    Permission.ORDERS_WRITE_OWN,
}

_OF_MODULES = frozenset({Permission.MESSAGES_SEND})
"""What no user may do. A message may hold a token that resets somebody's password: an administrator
who could read it could act as anybody."""

ROLES: Mapping[str, frozenset[Permission]] = {
    "customer": _CUSTOMER,
    "support": _CUSTOMER | {Permission.ORDERS_READ_ALL, Permission.USERS_READ},
    "auditor": _SIGNED_IN | {Permission.AUDIT_READ},
    "admin": frozenset(Permission) - _OF_MODULES,
    "service": frozenset({Permission.REFERENCE_READ, Permission.MESSAGES_SEND}),
}
"""By role. What `service` grants is the most that any module's account may have."""

CLIENTS: Mapping[str, frozenset[Permission]] = {
    "worker": frozenset({Permission.REFERENCE_READ, Permission.MESSAGES_SEND}),
}
"""What each module's service account may do, of what the role `service` grants. A module that is
not here has no account."""


@lru_cache(maxsize=64)
def _granted(roles: tuple[str, ...]) -> frozenset[Permission]:
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What these roles grant together; an unknown role grants nothing."""
    return _granted(tuple(roles))
