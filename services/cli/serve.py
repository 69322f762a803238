"""`throughline serve`: host modules and answer requests."""

import click

from services.cli import settings
from services.cli.lazy import load


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...|all")
def serve(modules: tuple[str, ...]) -> None:
    """Serve MODULEs in this process: auth, api, worker, integrations, or all.

    Settings come from THROUGHLINE_ variables (`throughline config check` lists what is wrong with
    them). Logs are JSON, a line each, on standard output. SIGTERM and Ctrl-C stop in order:
    requests in flight finish, consumers commit.
    """
    names = settings.chosen(modules)
    settings.settings(names)  # told at once, before seconds go into loading frameworks and drivers
    load("services.cli.host:host")(names)
