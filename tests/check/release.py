"""Keep today's OpenAPI document as that of the release at hand: the last step before its tag.

    python -m tests.check.release

From then on `make check` compares with it.
"""

import sys
from pathlib import Path

import click

from libs.version import VERSION
from tests.check.api import DOCUMENT, RELEASES
from tests.check.project import Project


def keep(project: Project, version: str) -> Path:
    """Copy the document; gives the path of the copy.

    Raises:
        FileExistsError: that version was released with another one.
    """
    kept = RELEASES / version / DOCUMENT.name
    text = project.text(DOCUMENT)
    target = project.root / kept
    if target.exists() and project.text(kept) != text:
        raise FileExistsError(f"{kept} is there already: a new release has a new version")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return kept


def main() -> None:
    """Keep it under the version of libs/version.py."""
    try:
        click.echo(f"kept: {keep(Project(), VERSION)}")
    except FileExistsError as error:
        click.echo(error, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
