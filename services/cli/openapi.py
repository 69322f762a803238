"""`throughline openapi`: the description of the API."""

import click
import orjson

from services.cli import process


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
def openapi(modules: tuple[str, ...]) -> None:
    """Print the OpenAPI 3.1 document of MODULEs (default: all). Nothing is started.

    That of all modules is also in the repository: docs/reference/openapi.json.
    """
    document = process.unconfigured(process.chosen(modules)).fastapi.openapi()
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
