"""What commands share: from module names to a runtime, and from errors to one clear line."""

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click
import uvloop

from libs import logging
from libs.config import ConfigError, Settings, load, peer_variable, variables
from libs.context import set_process_context
from libs.errors import AppError
from libs.module import Registry
from libs.runtime import HostSettings, Runtime, process_context
from libs.version import VERSION
from services import registry

ALL = "all"
CONFIG_EXIT = 78
"""`EX_CONFIG` of sysexits.h."""

T = TypeVar("T")


class ConfigProblem(click.ClickException):
    """The settings are not usable; every problem is told."""

    exit_code = CONFIG_EXIT


def chosen(names: Sequence[str]) -> Registry:
    """The declarations of the modules named on the command line; `all` or nothing: all of them."""
    wanted = registry.MODULES if not names or ALL in names else names
    try:
        return registry.load(wanted)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def settings(modules: Registry, environ: Mapping[str, str] | None = None) -> Settings[HostSettings]:
    """The settings of a process with these modules.

    Raises:
        ConfigProblem: they are not usable.
    """
    try:
        return load(
            os.environ if environ is None else environ,
            HostSettings,
            modules,
            elsewhere=registry.elsewhere(modules),
        )
    except ConfigError as error:
        raise ConfigProblem(str(error)) from error


def runtime(
    modules: Registry,
    environ: Mapping[str, str] | None = None,
    *,
    log_stream: BinaryIO | None = None,
) -> Runtime:
    """A runtime for these modules, with logging and the process' context set up.

    Args:
        modules: to be hosted.
        environ: where settings come from; the process' environment if None.
        log_stream: where the log goes; standard output if None.
    """
    read = settings(modules, environ)
    server = read.process.server
    logging.configure(
        level=server.log_level,
        version=VERSION,
        environment=server.environment,
        stream=log_stream,
    )
    set_process_context(process_context())
    return Runtime(modules, read, version=VERSION)


def unconfigured(modules: Registry) -> Runtime:
    """A runtime that can be looked at but not opened: required settings have made-up values."""
    made_up = {
        name: _MADE_UP.get(name.rpartition("_")[2], "made-up")
        for name, info in variables(HostSettings, modules).items()
        if info.is_required()
    }
    used = {peer_variable(name): "http://made-up" for module in modules for name in module.uses}
    return runtime(modules, {**made_up, **used, "THROUGHLINE_LOG_LEVEL": "error"})


_MADE_UP = {"URL": "postgresql://made-up:made-up@localhost/made-up", "CLIENTS": "{}"}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a new event loop; what is known to go wrong becomes one line."""
    with told(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def told() -> Iterator[None]:
    """Turn errors that a person can do something about into one line, instead of a traceback."""
    try:
        yield
    except ConfigError as error:
        raise ConfigProblem(str(error)) from error
    except AppError as error:
        raise click.ClickException(error.detail) from error
    finally:
        logging.flush()
