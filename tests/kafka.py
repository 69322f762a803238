"""`make kafka`: a real Apache Kafka on this machine, for as long as it is wanted.

make kafka                                                   in one terminal
THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 make run  in another
"""

import asyncio
import os
import signal
from pathlib import Path

import click

from libs.embedded import EmbeddedError
from libs.embedded.apache_kafka import ApacheKafka
from libs.embedded.folder_lock import FolderLock


@click.command()
@click.option(
    "--data",
    default=".data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder where everything is kept.",
)
@click.option("--port", default=9092, show_default=True, type=click.IntRange(1, 65535))
def main(data: Path, port: int) -> None:
    """Run Apache Kafka until Ctrl-C. What it has is there again at the next start."""
    folder = data / "kafka"
    try:
        asyncio.run(
            _run(ApacheKafka(folder, environ=os.environ, port=port, progress=_tell), folder)
        )
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error


async def _run(server: ApacheKafka, folder: Path) -> None:
    lock, stopped = FolderLock(folder), asyncio.Event()
    lock.acquire()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    try:
        await server.start()
        _tell(f"use it with THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS={server.url}; Ctrl-C stops it")
        while not stopped.is_set() and server.status is None:
            await asyncio.wait([asyncio.ensure_future(stopped.wait())], timeout=0.5)
        if server.status is not None:
            raise EmbeddedError(f"Kafka has ended with status {server.status}: see {server.log}")
    finally:
        await server.stop()
        lock.release()


def _tell(text: str) -> None:
    click.echo(f"  · {text}")


if __name__ == "__main__":
    main()
