"""Roles and what they may do: the one table."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache


class Permission(StrEnum):
    """Something that a route may ask for."""

    PROFILE = "profile"
    CATALOG_READ = "catalog:read"
    ORDERS_PLACE = "orders:place"
    ORDERS_READ_OWN = "orders:read-own"
    ORDERS_READ_ALL = "orders:read-all"
    REFERENCE_READ = "reference:read"
    AUDIT_READ = "audit:read"


_SIGNED_IN = frozenset({Permission.PROFILE, Permission.CATALOG_READ, Permission.REFERENCE_READ})
_CUSTOMER = _SIGNED_IN | {Permission.ORDERS_PLACE, Permission.ORDERS_READ_OWN}

ROLES: Mapping[str, frozenset[Permission]] = {
    "customer": _CUSTOMER,
    "support": _CUSTOMER | {Permission.ORDERS_READ_ALL},
    "auditor": _SIGNED_IN | {Permission.AUDIT_READ},
    "admin": frozenset(Permission),
    "service": frozenset({Permission.REFERENCE_READ}),
}


@lru_cache(maxsize=64)
def _granted(roles: tuple[str, ...]) -> frozenset[Permission]:
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What these roles grant together; an unknown role grants nothing."""
    return _granted(tuple(roles))
