"""`throughline serve`: host modules and answer requests."""

import click

from libs.runtime import AddressInUse
from services.cli import process


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...|all")
def serve(modules: tuple[str, ...]) -> None:
    """Serve MODULEs in this process: auth, api, worker, integrations, or all.

    Settings come from THROUGHLINE_ variables (`throughline config check` lists what is wrong with
    them). Logs are JSON, a line each, on standard output. SIGTERM and Ctrl-C stop in order:
    requests in flight finish, consumers commit.
    """
    runtime = process.runtime(process.chosen(modules))
    try:
        process.run(runtime.serve())
    except AddressInUse as error:
        raise click.ClickException(str(error)) from error
