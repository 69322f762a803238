"""Signing keys in a real database: the command, several operators, several processes."""

import asyncio
import sys
from pathlib import Path

import jwt

from libs.db.database import Databases
from services.auth.keys.errors import KeyPending
from services.auth.keys.service import KeyService
from services.auth.module import key_service
from services.auth.settings import AuthSettings
from tests.environment import environment
from tests.integration.auth.conftest import Process, opened
from tests.integration.databases import SERVICES, ModuleDatabase
from tests.unit.auth.factories import new_pem
from tests.waiting import until

NOW = {"THROUGHLINE_TOKEN_PUBLISH_S": "0.1"}
JWKS = "/.well-known/jwks.json"


async def _command(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Status, output and errors of `throughline keys`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli.main", "keys", *arguments),
        cwd=SERVICES.parent,
        env={**environment(), **environ, "THROUGHLINE_LOG_LEVEL": "error"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def _kids(process: Process) -> list[str]:
    return [key["kid"] for key in (await process.http.get(JWKS)).json()["keys"]]


def _service(process: Process) -> KeyService:
    settings = process.runtime.settings.modules["auth"]
    assert isinstance(settings, AuthSettings)
    return key_service(process.runtime.share(Databases)._databases["auth"], settings)


async def test_the_command(process: Process, environ: dict[str, str], tmp_path: Path) -> None:
    (first,) = await _kids(process)
    status, output, _ = await _command(environ, "list")
    assert status == 0
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [[first, "signs"]]

    status, _, told = await _command(environ, "rotate")
    assert (status, "is published, and signs from" in told) == (0, True)
    pending = told.split()[0]
    status, _, told = await _command(environ, "rotate")
    assert (status, told.startswith(f"Error: {pending} signs from")) == (1, True)
    assert "Traceback" not in told

    status, _, told = await _command(environ, "retire", first)
    assert (status, told) == (1, f"Error: {first} signs: rotate the keys first\n")
    assert (await _command(environ, "retire", "nothing"))[0] == 1
    assert (await _command(environ, "retire", pending))[0] == 0

    file = tmp_path / "key.pem"
    file.write_bytes(new_pem())
    status, _, told = await _command(environ, "import", str(file), "--now")
    assert status == 0, told
    imported = told.split()[0]
    status, _, told = await _command(environ, "import", str(file))
    assert (status, f"{imported} is, or was, among the keys" in told) == (1, True)
    file.write_text("no key")
    status, _, told = await _command(environ, "import", str(file))
    assert (status, "must hold a P-256 private key in PEM" in told) == (1, True)
    assert (await _command(environ, "retire", first))[0] == 1
    assert (await _command(environ, "retire", first, "--force"))[0] == 0

    _, output, _ = await _command(environ, "list")
    assert {tuple(line.split()[:2]) for line in output.splitlines()[1:]} == {
        (first, "retired"),
        (pending, "retired"),
        (imported, "signs"),
    }


async def test_what_is_in_the_database_is_encrypted(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    await auth_database.empty()
    async with opened(environ, auth_database) as process:
        (row,) = await process.rows("SELECT * FROM signing_keys")
        await process.sign_up()
    assert b"\x06\x08\x2a\x86\x48\xce\x3d" not in row["private_key"]  # P-256's OID, in DER
    other = {**environ, "THROUGHLINE_AUTH_KEY_SECRET": "quite-another-secret-of-tests"}
    async with opened(other, auth_database) as stranger:
        answer = await stranger.log_in()
        assert (answer.status_code, answer.json()["code"]) == (503, "keys.wrong_secret")
        assert "THROUGHLINE_AUTH_KEY_SECRET" in answer.json()["detail"]
        ready = (await stranger.http.get("/health/ready")).json()
        assert ready["dependencies"]["auth.keys"]["error"] == "WrongKeySecret"
        assert await _kids(stranger) == [row["kid"]]  # verifiers are served


async def test_without_a_key_a_process_starts_and_says_what_is_missing(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    await auth_database.empty()
    bare = {**environ, "THROUGHLINE_ENVIRONMENT": "test", **NOW}
    async with opened(bare, auth_database) as process:
        assert await _kids(process) == []
        await process.sign_up()
        answer = await process.log_in()
        assert (answer.status_code, answer.json()["code"]) == (503, "keys.no_signing_key")
        assert "throughline keys rotate" in answer.json()["detail"]
        ready = (await process.http.get("/health/ready")).json()
        assert ready["dependencies"]["auth.keys"]["critical"] is True
        assert ready["dependencies"]["auth.keys"]["error"] == "NoSigningKey"
        status, _, told = await _command(bare, "rotate")
        assert status == 0, told

        async def logged_in() -> bool:
            return (await process.log_in()).status_code == 200

        await until(logged_in, "the process knows the key")


async def test_many_who_start_at_once_make_one_key(process: Process) -> None:
    await process.database.execute("TRUNCATE signing_keys")
    service = _service(process)
    await asyncio.gather(*(service.make_first() for _ in range(10)))
    assert len(await process.rows("SELECT FROM signing_keys")) == 1


async def test_of_many_who_rotate_at_once_one_does(process: Process) -> None:
    service = _service(process)
    done = await asyncio.gather(*(service.rotate() for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in done if isinstance(each, Exception)] == [KeyPending] * 4
    assert len(await process.rows("SELECT FROM signing_keys")) == 2


async def test_a_process_goes_on_with_the_next_key(
    environ: dict[str, str], auth_database: ModuleDatabase
) -> None:
    """What it signs is verified before, while and after."""
    await auth_database.empty()
    environ = {**environ, "THROUGHLINE_TOKEN_PUBLISH_S": "0.6"}
    async with opened(environ, auth_database) as process:
        await process.sign_up()
        before = (await process.log_in()).json()["accessToken"]
        added = await _service(process).rotate()
        assert set(await _kids(process)) <= {_kid(before), added.kid}

        async def signed_with_it() -> bool:
            token = (await process.log_in()).json()["accessToken"]
            for each in (before, token):
                bearer = {"Authorization": f"Bearer {each}"}
                assert (await process.http.get("/v1/users/me", headers=bearer)).status_code == 200
            return _kid(token) == added.kid

        await until(signed_with_it, "the next key signs")


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
