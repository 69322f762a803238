"""What commands share: from module names to a runtime, and from errors to one clear line."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click
import uvloop

from libs import logging
from libs.config import ConfigError
from libs.context import set_process_context
from libs.errors import AppError
from libs.module import Registry
from libs.runtime import Runtime, process_context
from libs.version import VERSION
from services import registry
from services.cli import settings

T = TypeVar("T")


def chosen(names: Sequence[str]) -> Registry:
    """The declarations of the modules named on the command line; `all` or nothing: all of them."""
    return registry.load(settings.chosen(names))


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
    read = settings.settings(modules.names, environ)
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
    return runtime(modules, {**settings.made_up(modules.names), "THROUGHLINE_LOG_LEVEL": "error"})


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
        raise settings.ConfigProblem(str(error)) from error
    except AppError as error:
        raise click.ClickException(error.detail) from error
    finally:
        logging.flush()
