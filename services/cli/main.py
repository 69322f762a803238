"""`throughline`: one command for people and machines.

A command is loaded when it is called: `throughline serve integrations` runs where no database
driver is installed.
"""

from collections.abc import Mapping

import click

from libs.version import VERSION
from services.cli.lazy import load


class LazyGroup(click.Group):
    """A group whose commands are imported on demand, from `"module:attribute"`."""

    def __init__(self, name: str, commands: Mapping[str, str], **kwargs: str | None) -> None:
        super().__init__(name, help=kwargs.get("help"))
        self._sources = dict(commands)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        return list(self._sources)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's)
        cmd_name: str,
    ) -> click.Command | None:
        source = self._sources.get(cmd_name)
        if source is None:
            return None
        try:
            command = load(source)
        except ModuleNotFoundError as error:
            return _missing(cmd_name, error)
        assert isinstance(command, click.Command)  # noqa: S101
        return command


def _missing(name: str, error: ModuleNotFoundError) -> click.Command:
    """A command that an image without its libraries has: it says so, and spoils no `--help`."""
    reason = f"not in this installation: {error.name} is missing"

    def refuse() -> None:
        raise click.ClickException(f"`throughline {name}` is {reason}")

    return click.Command(name, callback=refuse, short_help=f"({reason})", add_help_option=False)


COMMANDS = {
    "up": "services.cli.up:up",
    "demo": "services.cli.demo:demo",
    "serve": "services.cli.serve:serve",
    "migrate": "services.cli.migrate:migrate",
    "seed": "services.cli.seed:seed",
    "documents": "services.cli.documents:documents",
    "config": "services.cli.config:config",
    "modules": "services.cli.modules:modules",
    "events": "services.cli.events:events",
    "keys": "services.cli.keys:keys",
    "users": "services.cli.users:users",
    "openapi": "services.cli.openapi:openapi",
    "errors": "services.cli.errors:errors",
}

main = click.version_option(VERSION, prog_name="throughline")(
    LazyGroup(
        "throughline",
        COMMANDS,
        help="Throughline: users, orders and a catalogue of services, in one process or in many.",
    )
)

if __name__ == "__main__":
    main()
