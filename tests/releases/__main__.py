"""Write down the statements that this version runs: `python -m tests.releases`.

They are those that the modules' connections see during the modules' integration tests. So what no
such test leads to is not written down.
"""

import os
import subprocess
import sys
from pathlib import Path

import click

from libs.version import VERSION
from tests.releases.statements import RELEASES, Release

ROOT = Path(__file__).parents[2]


@click.command()
@click.option("--version", default=VERSION, show_default=True, help="What to call it.")
@click.option("--tests", default="tests/integration", show_default=True, help="What to run.")
def main(version: str, tests: str) -> None:
    """Write down the statements of this version, below tests/releases."""
    folder = RELEASES / version
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.releases.recorder"]
    command += ["--record-statements", str(folder)]
    command += [str(path) for path in _with_modules(ROOT / tests)]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}  # it decides the order of Tortoise's columns
    ended = subprocess.run(command, cwd=ROOT, env=environ, check=False)
    for file in sorted(folder.glob("*.sql")):
        release = Release.read(file)
        click.echo(f"{file.relative_to(ROOT)}: {len(release.statements)} statements")
    if ended.returncode:
        click.echo("some tests failed; the statements may not be complete", err=True)
    sys.exit(ended.returncode)


def _with_modules(tests: Path) -> list[Path]:
    """The folders of modules that have migrations."""
    modules = {path.parent.name for path in (ROOT / "services").glob("*/migrations")}
    return sorted(path for path in tests.iterdir() if path.name in modules)


if __name__ == "__main__":
    main()
