"""The environment that secantusdb is installed in: made at first use, then found again.

An environment cannot be made elsewhere and renamed, because it has its own path in it. So a file
is written last that says what was installed, and a lock keeps two makers apart.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from libs.embedded.process import EmbeddedError, run
from libs.embedded.server import Progress

VARIABLE: Final = "THROUGHLINE_EMBEDDED_MONGO_ENV"
"""Names another folder for the environment."""

REQUIREMENTS: Final = Path(__file__).with_name("secantusdb.txt")
_MARKER = ".throughline"


async def prepare(environ: Mapping[str, str], progress: Progress) -> Path:
    """Make the environment unless it is there. Returns its interpreter.

    Raises:
        EmbeddedError: it cannot be made.
    """
    folder = environment_folder(environ)
    python = folder / "bin" / "python"
    if _is_complete(folder):
        return python
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        async with _lock(folder, progress):
            if not _is_complete(folder):
                progress(f"mongo: installing secantusdb in {folder}, once")
                await _make(folder, python, environ)
    except OSError as error:
        raise EmbeddedError(f"cannot make {folder}: {error.strerror}") from error
    return python


def environment_folder(environ: Mapping[str, str]) -> Path:
    """Next to the project's own environment if that can be written, else in the user's cache."""
    if chosen := environ.get(VARIABLE):
        return Path(chosen).absolute()
    beside = Path(sys.prefix).parent / ".venv-secantusdb"
    if beside.exists() or os.access(beside.parent, os.W_OK):
        return beside
    cache = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "throughline" / "secantusdb"


def _expected() -> str:
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{wanted} {sys.version_info.major}.{sys.version_info.minor}"


def _is_complete(folder: Path) -> bool:
    try:
        return (folder / _MARKER).read_text() == _expected() and os.access(
            folder / "bin" / "python", os.X_OK
        )
    except OSError:
        return False


async def _make(folder: Path, python: Path, environ: Mapping[str, str]) -> None:
    _remove_remains(folder)
    log = folder.with_name(f"{folder.name}.log")
    for command in _commands(folder, python, environ):
        await run(
            command,
            what=f"installing secantusdb ({Path(command[0]).name})",
            log=log,
            cwd=folder.parent,
            environment=environ,  # an installer wants the user's proxy, mirror, certificates
        )
    (folder / _MARKER).write_text(_expected())
    log.unlink(missing_ok=True)


def _remove_remains(folder: Path) -> None:
    """Remove what an interrupted or older installation left, and nothing that is not one."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise EmbeddedError(f"{folder} is not a Python environment: set {VARIABLE} to another")
    shutil.rmtree(folder)


def _commands(folder: Path, python: Path, environ: Mapping[str, str]) -> list[Sequence[str]]:
    verified = ("--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS))
    check = (str(python), "-I", "-c", "import secantus.server")
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which(
        "uv", path=environ.get("PATH")
    )
    if uv:
        return [
            (uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)),
            (uv, "pip", "install", "--quiet", "--python", str(python), *verified),
            check,
        ]
    return [
        (sys.executable, "-I", "-m", "venv", str(folder)),
        (str(python), "-m", "pip", "install", "--quiet", *verified),
        check,
    ]


@asynccontextmanager
async def _lock(folder: Path, progress: Progress) -> AsyncIterator[None]:
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("mongo: waiting for another process that installs secantusdb")
                    told = True
                await asyncio.sleep(0.2)
        yield
