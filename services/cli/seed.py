"""`throughline seed`: demo data."""

from pathlib import Path

import click
import orjson

from libs.runtime import Runtime
from services.cli import process


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option(
    "--accounts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='A JSON file {"admin": {"email", "password"}, "customer": {…}}: accounts to create.',
)
def seed(modules: tuple[str, ...], accounts: Path | None) -> None:
    """Put the demo data of MODULEs (default: all) in place. Safe to repeat: what is there stays."""
    given = orjson.loads(accounts.read_bytes()) if accounts else {}
    process.run(seeded(process.runtime(process.chosen(modules)), given))


async def seeded(runtime: Runtime, accounts: dict[str, dict[str, str]]) -> None:
    """Seed every module of `runtime`.

    Args:
        runtime: not open yet.
        accounts: e-mail address and password by role.
    """
    async with runtime.opened():
        for wired in runtime.wired.values():
            if wired.seed is not None:
                await wired.seed({"accounts": accounts})
