"""The commands that the driver of the comparison calls, with its variables in the environment."""

import os

import click

from services.cli.lazy import load
from tests.bench.peer import interpreter


@click.group()
def main() -> None:
    """The module `api` beside other frameworks' servers."""


@main.command()
def prepare() -> None:
    """Migrate and seed the empty database DATABASE_URL; make what `serve` needs."""
    interpreter.prepare()
    load("tests.bench.peer.seed:prepare")(os.environ)


@main.command()
def serve() -> None:
    """Serve on HOST and PORT until SIGTERM."""
    interpreter.use_fast_one()
    load("tests.bench.peer.server:serve")(os.environ)


@main.command()
def servers() -> None:
    """Run MongoDB's and Kafka's stand-ins until standard input ends; print their addresses."""
    load("tests.bench.peer.servers:run")()


if __name__ == "__main__":
    main(prog_name="python -m tests.bench.peer")
