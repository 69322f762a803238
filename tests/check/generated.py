"""The parts of the docs that a command writes are what it writes today.

    <!-- generated: throughline errors -->
    ...
    <!-- /generated -->

Within a fenced block, if there is one, as for a diagram. A few files are generated as a whole.
`python -m tests.check --fix` rewrites all of them.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from libs.config import PREFIX
from tests.check.documents import documents
from tests.check.project import Project

FILES: Mapping[Path, str] = {Path("docs/reference/openapi.json"): "openapi"}
"""What is generated as a whole, and by which command."""

_SECTION = re.compile(
    r"(?P<head>^<!-- generated: throughline (?P<command>[^\n]*?) -->\n)"
    r"(?P<body>.*?)"
    r"(?P<tail>^<!-- /generated -->$)",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^(```\w*\n)(.*?)(^```\n)$", re.MULTILINE | re.DOTALL)

Run = Callable[[str], str]
"""Gives what a command prints."""


def check(project: Project) -> list[str]:
    """What is out of date."""
    return [*violations(project, throughline), *stale(project, FILES, throughline)]


def fix(project: Project) -> list[Path]:
    """Rewrite it; gives the files that changed."""
    after = {path: rewritten(project.text(path), throughline) for path in documents(project)}
    after |= {path: throughline(command) for path, command in FILES.items()}
    changed = [path for path, text in after.items() if _text(project, path) != text]
    for path in changed:
        (project.root / path).write_text(after[path])
    return changed


def violations(project: Project, run: Run) -> Iterator[str]:
    """The sections of a project's docs that are not what `run` gives."""
    for path in documents(project):
        text = project.text(path)
        begun = len(re.findall(r"^<!-- generated:", text, re.MULTILINE))
        sections = list(_SECTION.finditer(text))
        if begun != len(sections):
            yield f"{path}: a generated section has no end, or no command of throughline"
        for section in sections:
            if _section(section, run) != section[0]:
                line = text[: section.start()].count("\n") + 1
                yield (
                    f"{path}:{line}: is not what `throughline {section['command']}` prints"
                    " (python -m tests.check --fix)"
                )


def stale(project: Project, files: Mapping[Path, str], run: Run) -> Iterator[str]:
    """Those of `files` that are not what `run` gives for their commands."""
    for path, command in files.items():
        if _text(project, path) != run(command):
            yield (
                f"{path}: is not what `throughline {command}` prints (python -m tests.check --fix)"
            )


def _text(project: Project, path: Path) -> str | None:
    return project.text(path) if (project.root / path).exists() else None


def rewritten(text: str, run: Run) -> str:
    """`text` with its sections as `run` gives them."""
    return _SECTION.sub(lambda section: _section(section, run), text)


def _section(section: re.Match[str], run: Run) -> str:
    printed = run(section["command"]).rstrip("\n") + "\n"
    fenced = _FENCED.match(section["body"])
    body = f"{fenced[1]}{printed}{fenced[3]}" if fenced else printed
    return f"{section['head']}{body}{section['tail']}"


def throughline(command: str) -> str:
    """What `throughline command` prints.

    Raises:
        RuntimeError: it fails.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # A process of its own: the other checks print meanwhile, in threads of this one.
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *shlex.split(command)],
        env={**clean, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"throughline {command} ends with {ended.returncode}: {ended.stderr}")
    return ended.stdout
