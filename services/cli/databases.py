"""From modules' settings to their databases, for the commands that work on these."""

from collections.abc import Iterator
from pathlib import Path

from libs.config import Settings
from libs.db.migrate import Migrations
from libs.db.settings import DatabaseSettings
from libs.module import Registry
from libs.settings import HostSettings

SERVICES = Path(__file__).parent.parent


def databases(
    registry: Registry, settings: Settings[HostSettings]
) -> Iterator[tuple[str, DatabaseSettings, tuple[str, ...]]]:
    """Name, settings and model modules of each module that has a schema."""
    for module in registry:
        groups = vars(settings.modules[module.name]).values()
        for group in groups:
            if isinstance(group, DatabaseSettings):
                yield module.name, group, module.models


def migrations(registry: Registry, settings: Settings[HostSettings]) -> list[Migrations]:
    """The migrations of each module that has a schema."""
    return [
        Migrations(name=name, dsn=db.url, models=models, path=SERVICES / name / "migrations")
        for name, db, models in databases(registry, settings)
    ]
