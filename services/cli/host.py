"""What `throughline serve` does once the settings are known to be right."""

from collections.abc import Sequence

import click

from libs.runtime import AddressInUse
from services.cli import process


def host(names: Sequence[str]) -> None:
    """Serve the modules `names` until a signal says to stop."""
    runtime = process.runtime(process.chosen(names))
    try:
        process.run(runtime.serve())
    except AddressInUse as error:
        raise click.ClickException(str(error)) from error
