"""`throughline keys`: the keys that access tokens are signed with."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import click

from libs.db.database import Databases
from libs.schema import timestamp
from services import registry
from services.auth.keys.models import Life
from services.auth.keys.service import KeyService
from services.auth.keys.signing_key import SigningKey
from services.auth.module import MODELS, NAME, key_service
from services.auth.settings import AuthSettings
from services.cli import process

T = TypeVar("T")

at_once_option = click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Let it sign at once, unpublished: if the key before it is in wrong hands. Verifiers may"
    " refuse its tokens for some seconds.",
)


@click.group()
def keys() -> None:
    """Rotate the keys of access tokens.

    The private halves are in auth's database, encrypted with THROUGHLINE_AUTH_KEY_SECRET. A new key
    is published at once and signs a while later (THROUGHLINE_TOKEN_PUBLISH_S), when every verifier
    knows it; the key before it is published until the last token that it has signed has expired.
    Running processes notice by themselves.
    """


@keys.command()
@at_once_option
def rotate(at_once: bool) -> None:
    """Make a new key. It replaces the one that signs."""
    added = _with_keys(lambda service: service.rotate(at_once=at_once))
    _echo(f"{added.kid} is published, and signs from {timestamp(added.active_from)} on")


@keys.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@at_once_option
def import_(file: Path, at_once: bool) -> None:
    """Add the key in FILE: a P-256 private key in PEM, without a password.

    As after a rotation, it replaces the one that signs.
    """
    pem = file.read_bytes()
    added = _with_keys(lambda service: service.adopt(SigningKey.from_pem(pem), at_once=at_once))
    _echo(f"{added.kid} is published, and signs from {timestamp(added.active_from)} on")


@keys.command(name="list")
def list_() -> None:
    """List the keys, in the order in which they sign.

    A key is published before it signs; it signs; it verifies until its last token has expired; it
    is over.
    """
    for line in table(_with_keys(lambda service: service.list())):
        click.echo(line)


@keys.command()
@click.argument("kid")
@click.option(
    "--force", is_flag=True, help="Although tokens that it has signed may still be in use."
)
def retire(kid: str, force: bool) -> None:
    """Withdraw the key KID: what it has signed is not accepted any more.

    The key that signs is never withdrawn: rotate first. One that has been replaced need not be, it
    comes to its end by itself. A key in wrong hands: `rotate --now`, then `retire --force` the old
    one.
    """
    _with_keys(lambda service: service.retire(kid, force=force))
    _echo(f"{kid} is withdrawn")


def table(lives: Sequence[Life]) -> list[str]:
    """The keys, for people."""
    lines: list[tuple[str, ...]] = [("KID", "STATE", "CREATED", "SIGNS FROM", "PUBLISHED UNTIL")]
    lines += [
        (
            life.key.kid,
            "retired" if life.key.retired_at else life.state.value,
            timestamp(life.key.created_at),
            timestamp(life.key.active_from),
            _written(life.published_until),
        )
        for life in lives
    ]
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    padded = ([t.ljust(w) for t, w in zip(line, widths, strict=True)] for line in lines)
    return ["  ".join(line).rstrip() for line in padded]


def _written(time: datetime | None) -> str:
    return "-" if time is None else timestamp(time)


def _with_keys(work: Callable[[KeyService], Awaitable[T]]) -> T:
    """What `work` gives, with the database open."""
    runtime = process.runtime(registry.load((NAME,)), log_stream=sys.stderr.buffer)
    settings = cast(AuthSettings, runtime.settings.modules[NAME])

    async def run() -> T:
        shared = Databases()
        db = shared.add(NAME, settings.database, MODELS)
        await shared.open()
        try:
            return await work(key_service(db, settings))
        finally:
            await shared.close()

    return process.run(run())


def _echo(line: str) -> None:
    click.echo(line, err=True)
