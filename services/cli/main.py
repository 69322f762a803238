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
        command = load(source)
        assert isinstance(command, click.Command)  # noqa: S101
        return command


COMMANDS = {
    "up": "services.cli.up:up",
    "demo": "services.cli.demo:demo",
    "serve": "services.cli.serve:serve",
    "migrate": "services.cli.migrate:migrate",
    "seed": "services.cli.seed:seed",
    "config": "services.cli.config:config",
    "modules": "services.cli.modules:modules",
    "events": "services.cli.events:events",
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
