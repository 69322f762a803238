"""`throughline users create-admin`."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.integration.auth.conftest import Process

EMAIL = "root@example.com"


async def _run(
    environ: dict[str, str], *arguments: str, given: str | None = None
) -> tuple[int, str, str]:
    """Exit status, output and error output of the command."""
    program = (sys.executable, "-m", "services.cli.main", "users", "create-admin", *arguments)
    running = await asyncio.create_subprocess_exec(
        *program,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate(None if given is None else given.encode())
    return running.returncode or 0, out.decode(), err.decode()


async def test_a_password_that_is_made_up_is_shown_once(
    process: Process, environ: dict[str, str]
) -> None:
    status, out, err = await _run(environ, EMAIL, "--generate", "--name", "Root")
    assert status == 0, err
    (password,) = out.splitlines()
    assert password not in err
    (row,) = await process.rows("SELECT display_name, roles, is_verified FROM users")
    assert row == {"display_name": "Root", "roles": ["admin"], "is_verified": True}
    assert (await process.log_in(email=EMAIL, password=password)).status_code == 200
    (event,) = await process.rows("SELECT type FROM outbox WHERE topic = 'users'")
    assert event["type"] == "UserCreated"


@pytest.mark.parametrize("where", ["file", "standard input"])
async def test_a_password_comes_from_a_file(
    process: Process, environ: dict[str, str], tmp_path: Path, where: str
) -> None:
    file = tmp_path / "password"
    file.write_text("battery staple\n")
    given = None if where == "file" else "battery staple\n"
    path = str(file) if where == "file" else "-"
    status, out, err = await _run(environ, EMAIL, "--password-file", path, given=given)
    assert (status, out) == (0, ""), err
    assert "battery staple" not in err
    answer = await process.log_in(email=EMAIL, password="battery staple")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        ((EMAIL, "--password", "battery staple"), "", "No such option"),
        ((EMAIL, "battery staple"), "", "unexpected extra argument"),
        ((EMAIL, "--generate", "--password-file", "-"), "", "exclude each other"),
        ((EMAIL, "--password-file", "-"), "password1\n", "many people use"),
        ((EMAIL, "--password-file", "-"), "short\n", "8 to 128"),
        (("root", "--generate"), "", "email"),
    ],
)
async def test_what_is_refused(
    process: Process, environ: dict[str, str], arguments: tuple[str, ...], given: str, said: str
) -> None:
    status, out, err = await _run(environ, *arguments, given=given)
    assert status != 0
    assert said in err
    assert "Traceback" not in err
    assert out == ""
    assert await process.rows("SELECT FROM users") == []


async def test_an_address_has_one_account(process: Process, environ: dict[str, str]) -> None:
    await process.sign_up(email=EMAIL)
    status, _, err = await _run(environ, EMAIL, "--generate")
    assert status == 1
    assert "There is an account with this e-mail address" in err
    (row,) = await process.rows("SELECT roles FROM users")
    assert row["roles"] == ["customer"]
