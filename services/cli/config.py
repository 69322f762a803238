"""`throughline config`: look at the settings without starting anything."""

import os
from collections.abc import Iterable
from typing import get_args

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from libs.config import ModuleLike, variables
from libs.settings import HostSettings
from services import registry
from services.cli import settings


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
    names = settings.chosen(modules)
    settings.settings(names)
    click.echo(f"The configuration is valid for: {', '.join(names)}")


@config.command("list")
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--markdown", is_flag=True, help="As a table for the docs, without marks.")
def list_(modules: tuple[str, ...], markdown: bool) -> None:
    """List every variable that a process with MODULEs (default: all) reads."""
    chosen = registry.configured(settings.chosen(modules))
    if markdown:
        click.echo(table(chosen))
        return
    for name, info in variables(HostSettings, chosen).items():
        mark = "*" if os.environ.get(name) else " "
        click.echo(f"{mark} {name:<48} {_kind(info)}, {_default(info)}: {info.description or ''}")
    click.echo("\n* is set in this environment")


def table(modules: Iterable[ModuleLike]) -> str:
    """Every variable, as a Markdown table."""
    rows = ["| variable | kind | default | meaning |", "|---|---|---|---|"]
    for name, info in variables(HostSettings, modules).items():
        default = _default(info).removeprefix("default ")
        rows.append(f"| `{name}` | {_kind(info)} | {default} | {info.description or ''} |")
    return "\n".join(rows).replace("|str", "/str")


def _kind(info: FieldInfo) -> str:
    options = [a for a in get_args(info.annotation) if isinstance(a, str)]
    if options:
        return ", ".join(options)
    if info.annotation is SecretStr:
        return "secret"
    name = getattr(info.annotation, "__name__", "")
    return {"str": "text", "int": "number", "float": "number", "bool": "true or false"}.get(
        name, "JSON" if get_args(info.annotation) else name
    )


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if isinstance(info.default, SecretStr) or info.default is None:
        return "none"
    return f"default {info.default!s}"
