"""`throughline migrate`: bring roles, schemas, indexes and topics up to date."""

import sys
from collections.abc import Mapping, Sequence

import click
from pydantic import SecretStr

from libs.db.bootstrap import bootstrap
from libs.db.migrate import migrate as apply
from libs.db.migrate import pending, sql
from libs.module import Registry
from libs.runtime import Runtime
from services.cli import process
from services.cli.databases import migrations


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--check", is_flag=True, help="Only list what is pending; exit status 1 if anything.")
@click.option("--sql", "as_sql", is_flag=True, help="Only print the SQL of what is pending.")
@click.option(
    "--admin-url",
    envvar="THROUGHLINE_DATABASE_ADMIN_URL",
    metavar="URL",
    help="An administrator's PostgreSQL URL: roles and schemas are created first. "
    "[env: THROUGHLINE_DATABASE_ADMIN_URL]",
)
def migrate(modules: tuple[str, ...], check: bool, as_sql: bool, admin_url: str | None) -> None:
    """Migrate the databases of MODULEs (default: all).

    Safe to run from several places at once: one works, the others wait. Old code may run
    meanwhile: no lock is waited for longer than 5 s.
    """
    registry = process.chosen(modules)
    # a script is to be read, or piped to psql: the log of the queries it took goes elsewhere
    runtime = process.runtime(registry, log_stream=sys.stderr.buffer if as_sql else None)
    if as_sql:
        click.echo(process.run(sql(migrations(registry, runtime.settings))), nl=False)
    elif check:
        _report(process.run(pending(migrations(registry, runtime.settings))), "pending")
    else:
        admin = SecretStr(admin_url) if admin_url else None
        _report(process.run(migrated(registry, runtime, admin)), "applied")


async def migrated(
    registry: Registry, runtime: Runtime, admin_url: SecretStr | None
) -> Mapping[str, Sequence[str]]:
    """Bootstrap (with an administrator's URL), migrate, and prepare what is not PostgreSQL's.

    Returns:
        For each module the migrations that were applied.
    """
    todo = migrations(registry, runtime.settings)
    if admin_url is not None:
        wanted = [(m.name, m.dsn.get_secret_value()) for m in todo]
        await bootstrap(admin_url.get_secret_value(), wanted)
    applied = await apply(todo)
    async with runtime.opened():
        for wired in runtime.wired.values():
            if wired.prepare is not None:
                await wired.prepare()
    return applied


def _report(found: Mapping[str, Sequence[str]], what: str) -> None:
    for module, names in found.items():
        click.echo(f"{module}: {', '.join(names) if names else f'nothing {what}'}", err=True)
    if what == "pending" and any(found.values()):
        sys.exit(1)
