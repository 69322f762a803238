"""`throughline errors`: the catalogue of error codes."""

import click

from libs.errors import catalogue
from libs.web.problems import status_of
from services.cli import process


@click.command()
def errors() -> None:
    """Print every error code with its HTTP status, as a Markdown table."""
    process.chosen(())  # the modules' own errors join the catalogue when they are loaded
    click.echo(table())


def table() -> str:
    """The catalogue of the classes that are loaded."""
    rows = [f"| `{c}` | {status_of(e)} | {e.title} |" for c, e in catalogue().items()]
    return "\n".join(["| code | status | title |", "|---|---|---|", *rows])
