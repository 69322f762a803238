"""`throughline events`: look after the event path."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from libs.config import Settings
from libs.db.database import Databases
from libs.events import topics as topic_list
from libs.events.kafka import KafkaBus
from libs.events.republish import republish as mark
from libs.events.settings import EventSettings
from libs.events.topics import Difference
from libs.module import Registry
from libs.settings import HostSettings
from services.cli import process
from services.cli.databases import databases


@click.group()
def events() -> None:
    """Operate the outboxes, the topics and the consumers."""


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


@events.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--apply", "applying", is_flag=True, help="Create topics and set their properties.")
@click.option("--check", is_flag=True, help="Only tell what differs; exit status 1 if anything.")
def topics(modules: tuple[str, ...], applying: bool, check: bool) -> None:
    """List the topics that MODULEs (default: all) declare, or bring the broker in line with them.

    The number of partitions and of copies is set when a topic is created. Later it is only
    compared: with more partitions keys would move, and lose the order of their events.
    """
    if applying and check:
        raise click.UsageError("--apply or --check, not both")
    registry = process.chosen(modules)
    settings = _event_settings(registry, process.runtime(registry).settings)
    if applying or check:
        found = process.run(_compared(registry, settings, applying=applying))
        for difference in found:
            click.echo(str(difference), err=True)
        sys.exit(bool(found))
    for name in topic_list.names(registry):
        topic = topic_list.topic(name, settings)
        config = " ".join(f"{key}={value}" for key, value in sorted(topic.config.items()))
        click.echo(
            f"{settings.topic_prefix}{name}: partitions={topic.partitions}"
            f" replication={topic.replication} {config}"
        )


def _event_settings(registry: Registry, settings: Settings[HostSettings]) -> EventSettings:
    """The broker's settings, which are the same for all modules that have any."""
    for module in registry:
        for _, group in settings.modules[module.name]:
            if isinstance(group, EventSettings):
                return group
    raise click.UsageError("none of these modules has events")


async def _compared(
    registry: Registry, settings: EventSettings, *, applying: bool
) -> Sequence[Difference]:
    """What is not as declared; with `applying` only what could not be put right."""
    bus = KafkaBus()
    bus.configure(settings)
    declared = [topic_list.topic(name, settings) for name in topic_list.names(registry)]
    return await (bus.apply_topics if applying else bus.topic_differences)(declared)
