"""`throughline users`: accounts that nobody can sign up for."""

import secrets
import sys
from pathlib import Path
from typing import cast

import click
from pydantic import ValidationError

from libs.db.database import Databases
from libs.errors import AppError
from services import registry
from services.auth.module import MODELS, NAME, user_registration
from services.auth.settings import AuthSettings
from services.auth.users.models import ADMIN, User
from services.auth.users.schemas import NewUser
from services.cli import process


@click.group()
def users() -> None:
    """Create users that nobody can sign up as."""


@users.command("create-admin")
@click.argument("email")
@click.option("--name", default="Administrator", show_default=True, help="What to call them.")
@click.option("--country", help="ISO 3166-1 alpha-2; a setting if left out.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    help="A file whose first line is the password; - is the standard input.",
)
@click.option("--generate", is_flag=True, help="Make up a password, and print it once.")
def create_admin(
    email: str, name: str, country: str | None, password_file: Path | None, generate: bool
) -> None:
    """Create an administrator with the address EMAIL.

    The password is asked for, unless it is in a file or made up. It is no argument: everybody on a
    machine can read those of a running command. The first administrator comes from here; that one
    can create others through the API.
    """
    if generate and password_file is not None:
        raise click.UsageError("--generate and --password-file exclude each other")
    password = secrets.token_urlsafe(18) if generate else _password(password_file)
    created = _created(_new(email, password, name, country))
    click.echo(f"{created.id} is an administrator, who logs in as {created.email}", err=True)
    if generate:
        click.echo(password)


def _password(file: Path | None) -> str:
    if file is None:
        prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return prompted
    if str(file) == "-":
        return sys.stdin.readline().rstrip("\r\n")
    with file.open(encoding="utf-8") as opened:
        return opened.readline().rstrip("\r\n")


def _new(email: str, password: str, name: str, country: str | None) -> NewUser:
    try:
        # An operator vouches for the address.
        return NewUser.model_validate(
            {
                "email": email,
                "password": password,
                "display_name": name,
                "country": country,
                "roles": (ADMIN,),
                "is_verified": True,
            }
        )
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise click.ClickException("; ".join(wrong)) from error


def _created(new: NewUser) -> User:
    """The user, created with the database open."""
    runtime = process.runtime(registry.load((NAME,)), log_stream=sys.stderr.buffer)
    settings = cast(AuthSettings, runtime.settings.modules[NAME])

    async def run() -> User:
        shared = Databases()
        db = shared.add(NAME, settings.database, MODELS)
        await shared.open()
        try:
            return await user_registration(db, settings).create(new)
        except AppError as error:
            reasons = [mistake.detail for mistake in error.errors]
            raise click.ClickException(": ".join([error.title, *reasons])) from error
        finally:
            await shared.close()

    return process.run(run())
