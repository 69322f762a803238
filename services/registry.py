"""Which modules there are. Their code is loaded when it is asked for, and not before: an image
holds the libraries of its own modules only, and a wrong setting is told before they are loaded.
"""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from libs.config import PREFIX, ModuleSettings
from libs.module import Module, Registry

MODULES = ("auth", "api", "worker", "integrations")

SHARED_GROUPS = ("REDIS", "MONGO", "KAFKA", "HTTP", "TOKEN", "CURSOR")
"""Groups with one value for all modules, of which a module may not read every one."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What is known of a module without loading it: enough to check its settings in no time."""

    name: str
    settings: type[ModuleSettings]


def known(names: Sequence[str]) -> tuple[str, ...]:
    """`names`, each once.

    Raises:
        ValueError: there is no such module.
    """
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        raise ValueError(f"no such module: {', '.join(unknown)} (there are {', '.join(MODULES)})")
    return tuple(dict.fromkeys(names))


def configured(names: Sequence[str]) -> list[Configured]:
    """The settings classes of modules; loads no driver."""
    return [
        Configured(name, importlib.import_module(f"services.{name}.settings").SETTINGS)
        for name in known(names)
    ]


def load(names: Sequence[str]) -> Registry:
    """The declarations of modules, with all that they are made of.

    Raises:
        ValueError: there is no such module.
    """
    return Registry(tuple(_declaration(name) for name in known(names)))


def _declaration(name: str) -> Module:
    return cast(Module, importlib.import_module(f"services.{name}.module").MODULE)


def elsewhere(names: Iterable[str]) -> list[str]:
    """Beginnings of the variables that are meant for others than these modules' process."""
    here = set(names)
    others = [name.upper() for name in MODULES if name not in here]
    return [f"{PREFIX}{part}_" for part in (*others, *SHARED_GROUPS, "DATABASE_ADMIN", "EMBEDDED")]
