"""Which modules there are. A declaration is loaded when it is asked for, and not before: an image
holds the libraries of its own modules only."""

import importlib
from collections.abc import Sequence

from libs.config import PREFIX
from libs.module import Module, Registry

MODULES = ("auth", "api", "worker", "integrations")

SHARED_GROUPS = ("REDIS", "MONGO", "KAFKA", "HTTP", "TOKEN")
"""Groups with one value for all modules, of which a module may not read every one."""


def load(names: Sequence[str]) -> Registry:
    """The declarations of `names`.

    Raises:
        ValueError: there is no such module.
    """
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        raise ValueError(f"no such module: {', '.join(unknown)} (there are {', '.join(MODULES)})")
    return Registry(tuple(_declaration(name) for name in dict.fromkeys(names)))


def _declaration(name: str) -> Module:
    module = importlib.import_module(f"services.{name}.module").MODULE
    if not isinstance(module, Module):
        raise TypeError(f"services.{name}.module.MODULE is not a Module")
    return module


def elsewhere(registry: Registry) -> list[str]:
    """Beginnings of the variables that are meant for others than these modules' process."""
    others = [name.upper() for name in MODULES if name not in registry.names]
    return [f"{PREFIX}{part}_" for part in (*others, *SHARED_GROUPS, "DATABASE_ADMIN", "EMBEDDED")]
