"""`throughline config`: look at the settings without starting anything."""

import os
from typing import Any, get_args

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from libs.config import variables
from libs.runtime import HostSettings
from services.cli import process


@click.group()
def config() -> None:
    """Check and list the settings."""


@config.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
def check(modules: tuple[str, ...]) -> None:
    """Check the environment for a process with MODULEs (default: all), and start nothing.

    Every problem is listed at once, with the variable's name and what is allowed. Exit status 78
    if there is any. Values of secrets are never shown.
    """
    registry = process.chosen(modules)
    process.settings(registry)
    click.echo(f"The configuration is valid for: {', '.join(registry.names)}")


@config.command("list")
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
def list_(modules: tuple[str, ...]) -> None:
    """List every variable that a process with MODULEs (default: all) reads."""
    for name, info in variables(HostSettings, process.chosen(modules)).items():
        mark = "*" if os.environ.get(name) else " "
        click.echo(f"{mark} {name:<48} {_kind(info)}{_default(info)}  {info.description or ''}")
    click.echo("\n* is set in this environment")


def _kind(info: FieldInfo) -> str:
    annotation: Any = info.annotation
    options = [a for a in get_args(annotation) if isinstance(a, str)]
    if options:
        return "|".join(options)
    return "secret" if annotation is SecretStr else getattr(annotation, "__name__", str(annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ", required"
    return f", default {info.default!s}" if not isinstance(info.default, SecretStr) else ""
