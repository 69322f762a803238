"""The interpreter that is measured: the system's, as for the other peers in Python.

Python built without profile-guided optimisation, as version managers do it, runs the same code 1.6
times slower than the builds of distributions and of the official container images.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
SYSTEM: Final = Path("/usr/bin/python3")
ENVIRONMENT: Final = ROOT / ".venv-bench"
SUPPORTED: Final = ("3.11", "3.12", "3.13")


def prepare() -> None:
    """Make the environment with the system's interpreter, if there is one that fits."""
    if not _fits():
        return
    uv = [sys.executable, "-m", "uv"]
    if not (ENVIRONMENT / "bin" / "python").exists():
        _run([*uv, "venv", "--quiet", "--no-project", "--python", str(SYSTEM), str(ENVIRONMENT)])
    groups = ["--no-default-groups", "--group", "api", "--group", "embedded"]
    _run([*uv, "sync", "--quiet", "--frozen", *groups], UV_PROJECT_ENVIRONMENT=str(ENVIRONMENT))


def use_fast_one() -> None:
    """Go on in that environment, if `prepare` has made it."""
    python = ENVIRONMENT / "bin" / "python"
    if python.exists() and Path(sys.prefix) != ENVIRONMENT:
        os.execv(python, [str(python), "-m", *sys.orig_argv[sys.orig_argv.index("-m") + 1 :]])  # noqa: S606


def _fits() -> bool:
    if not SYSTEM.exists():
        return False
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run(
        [SYSTEM, "-I", "-c", version], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip() in SUPPORTED


def _run(command: list[str], **more: str) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, check=True)
