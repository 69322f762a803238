"""`throughline documents`: look after the documents in MongoDB."""

import sys
from collections.abc import Callable, Iterator

import click

from libs.documents.documents import Documents
from libs.documents.migration import BATCH, Findings, Migration, Progress
from libs.documents.migration import check as look
from libs.runtime import Runtime
from services.cli import process


@click.group()
def documents() -> None:
    """Look after the documents in MongoDB."""


@documents.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would be migrated.")
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000),
    default=BATCH,
    show_default=True,
    help="Documents at a time.",
)
def migrate(modules: tuple[str, ...], dry_run: bool, batch: int) -> None:
    """Bring the documents of MODULEs (default: all) to their current schema version.

    Safe while they are in use, and from several places at once. Interrupted, it goes on where it
    was when it is started again. Exit status 1 if documents could not be read.
    """
    runtime = process.runtime(process.chosen(modules))
    done = process.run(migrated(runtime, dry_run=dry_run, batch=batch))
    sys.exit(any(progress.unreadable for progress in done))


@documents.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--read", is_flag=True, help="Read every document, to find those that cannot be.")
def check(modules: tuple[str, ...], read: bool) -> None:
    """Tell how many documents of MODULEs (default: all) there are of each schema version, and how
    the indexes differ from those that are declared. Exit status 1 if anything is to be done.
    """
    runtime = process.runtime(process.chosen(modules))
    found = process.run(checked(runtime, read=read))
    for findings in found:
        for line in told(findings):
            _echo(line)
    sys.exit(not all(findings.well for findings in found))


async def migrated(
    runtime: Runtime,
    *,
    dry_run: bool = False,
    batch: int = BATCH,
    echo: Callable[[str], None] | None = None,
) -> list[Progress]:
    """Migrate the documents of a runtime's modules.

    Args:
        runtime: not open yet.
        echo: is told how it goes; the standard error if None.
    """
    tell = echo or _echo
    shared = runtime.share(Documents)
    done: list[Progress] = []
    async with runtime.opened():
        for collection in shared.declared:
            name = collection.name

            def report(progress: Progress, name: str = name) -> None:
                tell(f"{name}: {progress.migrated} of {progress.total}")

            migration = Migration(shared, collection, batch=batch, dry_run=dry_run, report=report)
            progress = await migration.run()
            for line in _summary(name, progress, dry_run=dry_run):
                tell(line)
            done.append(progress)
    return done


async def checked(runtime: Runtime, *, read: bool = False) -> list[Findings]:
    """Look at the collections of a runtime's modules. It is not open yet."""
    shared = runtime.share(Documents)
    async with runtime.opened():
        return [await look(shared, collection, read=read) for collection in shared.declared]


def told(findings: Findings) -> Iterator[str]:
    """What was found, for people."""
    yield f"{findings.collection}: schema version {findings.current}"
    for version, count in sorted(findings.versions.items(), key=str):
        state = "current" if version == findings.current else _state(version, findings.current)
        yield f"  {count} of version {version}: {state}"
    drift = findings.drift
    for what in ("missing", "differing", "retired", "surplus"):
        for name in getattr(drift, what):
            yield f"  index {name}: {what}"
    for document_id, reason in findings.unreadable.items():
        yield f"  {document_id} cannot be read: {reason}"


def _state(version: object, current: int) -> str:
    if not isinstance(version, int):
        return "unknown"
    return "to be migrated" if version < current else "of a newer release"


def _summary(name: str, progress: Progress, *, dry_run: bool) -> Iterator[str]:
    verb = "would be migrated" if dry_run else "migrated"
    yield f"{name}: {progress.migrated} {verb}, {len(progress.unreadable)} cannot be read"
    for document_id, reason in progress.unreadable.items():
        yield f"  {document_id} cannot be read: {reason}"


def _echo(line: str) -> None:
    click.echo(line, err=True)  # the log has the standard output
