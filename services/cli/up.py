"""`throughline up`: the whole system on this machine, without Docker."""

import asyncio
import os
import signal
from pathlib import Path

import click
import orjson

from libs.embedded import EmbeddedError
from libs.runtime import AddressInUse, listen
from services.cli import process
from services.cli.stack import ONE_PROCESS, PROCESS_PER_MODULE, Stack

data_option = click.option(
    "--data",
    default=".data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder where everything is kept.",
)


@click.command()
@data_option
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option("--split", is_flag=True, help="One process per module instead of one for all.")
def up(data: Path, port: int, split: bool) -> None:
    """Start the embedded profile: servers, databases, demo data, and all modules.

    PostgreSQL, Valkey (as Redis), SecantusDB (as MongoDB) and Tansu (as Kafka) run as child
    processes; a server whose address is set in the environment (THROUGHLINE_REDIS_URL, …) is used
    instead. Ctrl-C stops everything.
    """
    stack = Stack(
        data, os.environ, port=port, topology=PROCESS_PER_MODULE if split else ONE_PROCESS
    )
    try:
        if port:
            listen("127.0.0.1", port).close()
        process.run(_until_stopped(stack))
    except AddressInUse as error:
        raise click.ClickException(f"{error}: choose another with PORT= (or --port)") from error
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error


async def _until_stopped(stack: Stack) -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        this.cancel()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop)
    first_time = not stack.credentials.exists()
    try:
        await stack.start(lambda text: click.echo(f"  · {text}"))
        click.echo(_banner(stack, first_time=first_time))
        await stack.watch()
    except asyncio.CancelledError:
        if not stopped:
            raise
        click.echo("\nStopping …")
    finally:
        await stack.stop()


def _banner(stack: Stack, *, first_time: bool) -> str:
    urls = stack.urls
    lines = ["", "Throughline is ready.", ""]
    if len(set(urls.values())) == 1:
        lines += [
            f"  docs      {urls['api']}/docs",
            f"  health    {urls['api']}/health",
        ]
    else:
        lines += [f"  {module:<13}{url}/docs" for module, url in urls.items()]
    lines += [f"  data      {stack.data}", f"  logs      {', '.join(map(str, stack.logs))}"]
    if first_time:
        accounts = orjson.loads(stack.credentials.read_bytes())
        lines += ["", "Demo accounts (shown once, kept in credentials.json of the data folder):"]
        lines += [f"  {role:<10}{a['email']}  {a['password']}" for role, a in accounts.items()]
    you = '{"email": "you@example.com", "password": "correct-horse-9", "displayName": "You"}'
    lines += ["", "Try:"]
    lines += [f"  curl -s {urls['auth']}/v1/auth/signup -H 'content-type: application/json' \\"]
    lines += [f"    -d '{you}'", "  make demo        one order, followed by its contextId", ""]
    return "\n".join([*lines, "Ctrl-C stops everything."])
