"""From module names on the command line to their settings, before any module is loaded."""

import os
from collections.abc import Mapping, Sequence

import click

from libs.config import ConfigError, ModuleLike, Settings, load, peer_variable, variables
from libs.settings import HostSettings
from services import registry

ALL = "all"
CONFIG_EXIT = 78
"""`EX_CONFIG` of sysexits.h."""


class ConfigProblem(click.ClickException):
    """The settings are not usable; every problem is told."""

    exit_code = CONFIG_EXIT


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The modules named on the command line; `all` or nothing: all of them."""
    try:
        return registry.known(registry.MODULES if not names or ALL in names else names)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def settings(
    names: Sequence[str], environ: Mapping[str, str] | None = None
) -> Settings[HostSettings]:
    """The settings of a process with these modules.

    Args:
        names: of the modules.
        environ: where settings come from; the process' environment if None.

    Raises:
        ConfigProblem: they are not usable.
    """
    modules: list[ModuleLike] = [*registry.configured(names)]
    try:
        return load(
            os.environ if environ is None else environ,
            HostSettings,
            modules,
            elsewhere=registry.elsewhere(names),
        )
    except ConfigError as error:
        raise ConfigProblem(str(error)) from error


def made_up(names: Sequence[str]) -> dict[str, str]:
    """A value of the right form for each setting that is required, to look at the rest with."""
    modules = registry.configured(names)
    required = {
        name: _MADE_UP.get(name.rpartition("_")[2], "made-up-made-up-made-up")
        for name, info in variables(HostSettings, modules).items()
        if info.is_required()
    }
    peers = {peer_variable(used): "http://made-up" for m in modules for used in m.settings.uses}
    return {**required, **peers}


_MADE_UP = {"URL": "postgresql://made-up:made-up@localhost/made-up"}
