"""The parts of the docs that a command writes are what it writes today.

    <!-- generated: throughline errors -->
    ...
    <!-- /generated -->

Within a fenced block, if there is one, as for a diagram. `python -m tests.check --fix` rewrites.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner

from libs.config import PREFIX
from services.cli.main import main
from tests.check.documents import documents
from tests.check.project import Project

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
    """The sections that are out of date."""
    return list(violations(project, throughline))


def fix(project: Project) -> list[Path]:
    """Rewrite them; gives the documents that changed."""
    changed = []
    for path in documents(project):
        before = project.text(path)
        after = rewritten(before, throughline)
        if after != before:
            (project.root / path).write_text(after)
            changed.append(path)
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
    ours = [name for name in os.environ if name.startswith(PREFIX)]
    ended = CliRunner().invoke(main, shlex.split(command), env=dict.fromkeys(ours))
    if ended.exit_code:
        raise RuntimeError(f"throughline {command} ends with {ended.exit_code}: {ended.output}")
    return ended.output
