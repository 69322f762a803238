"""The environment of secantusdb is made once, whole, and never over something else."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from libs.embedded import EmbeddedError, mongo_environment, prepare_mongo
from libs.embedded.mongo_environment import REQUIREMENTS, VARIABLE, environment_folder

pytestmark = pytest.mark.asyncio


def quiet(_: str) -> None: ...


@pytest.fixture
def installations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replaces the installer by one that makes an empty environment; lists what was made."""
    made: list[Path] = []

    def commands(folder: Path, python: Path, environ: object) -> list[tuple[str, ...]]:
        made.append(folder)
        script = f"mkdir -p {python.parent}; touch {folder}/pyvenv.cfg; cp /bin/true {python}"
        return [("/bin/sh", "-c", script)]

    monkeypatch.setattr(mongo_environment, "_commands", commands)
    return made


async def test_it_is_made_once(data: Path, installations: list[Path]) -> None:
    environ = {VARIABLE: str(data / "env")}
    pythons = await asyncio.gather(*(prepare_mongo(environ, quiet) for _ in range(3)))
    assert set(pythons) == {data / "env" / "bin" / "python"}
    assert len(installations) == 1


async def test_an_interrupted_one_is_made_again(data: Path, installations: list[Path]) -> None:
    (data / "env").mkdir(parents=True)
    (data / "env" / "pyvenv.cfg").touch()
    (data / "env" / "half").touch()
    await prepare_mongo({VARIABLE: str(data / "env")}, quiet)
    assert len(installations) == 1
    assert not (data / "env" / "half").exists()


async def test_nothing_else_is_replaced(data: Path, installations: list[Path]) -> None:
    data.mkdir()  # noqa: ASYNC240
    (data / "precious").touch()
    with pytest.raises(EmbeddedError, match="not a Python environment"):
        await prepare_mongo({VARIABLE: str(data)}, quiet)
    assert (data / "precious").exists()
    assert not installations


async def test_a_failed_installation_is_said_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [("/bin/sh", "-c", "echo no network; exit 1")]
    monkeypatch.setattr(mongo_environment, "_commands", lambda *_: failing)
    with pytest.raises(EmbeddedError, match=r"installing secantusdb .* failed .* no network"):
        await prepare_mongo({VARIABLE: str(data / "env")}, quiet)


async def test_it_is_beside_our_own_environment_by_default() -> None:
    assert environment_folder({}) == Path(sys.prefix).parent / ".venv-secantusdb"


async def test_every_requirement_is_pinned_and_hashed() -> None:
    text = REQUIREMENTS.read_text()
    assert "secantusdb==0.7.0b3" in text
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
    requirements = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert requirements
    assert all("==" in line and line.endswith("\\") for line in requirements)
