"""`throughline events`: look after the event path."""

from datetime import UTC, datetime, timedelta

import click

from libs.config import Settings
from libs.db.database import Databases
from libs.events.republish import republish as mark
from libs.module import Registry
from libs.settings import HostSettings
from services.cli import process
from services.cli.databases import databases


@click.group()
def events() -> None:
    """Operate the outboxes and the consumers."""


@events.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Events from this time on (UTC). Default: the last seven days.",
)
def republish(modules: tuple[str, ...], since: datetime | None) -> None:
    """Publish events of MODULEs (default: all) again: after a broker has lost what it had.

    Their ids stay the same, so consumers drop what they have handled already. The relays of the
    running processes do the publishing.
    """
    registry = process.chosen(modules)
    runtime = process.runtime(registry)
    start = since.replace(tzinfo=UTC) if since else datetime.now(UTC) - timedelta(days=7)
    for name, count in process.run(republished(registry, runtime.settings, start)).items():
        click.echo(f"{name}: {count} to be published again", err=True)


async def republished(
    registry: Registry, settings: Settings[HostSettings], since: datetime
) -> dict[str, int]:
    """Mark the events of every module's outbox since `since` for publishing; returns how many."""
    shared = Databases()
    added = [shared.add(name, db, models) for name, db, models in databases(registry, settings)]
    await shared.open()
    try:
        return {database.name: await mark(database, since) for database in added}
    finally:
        await shared.close()
