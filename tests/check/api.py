"""The API: its OpenAPI document says everything, and breaks nothing that a release has promised.

The document is `docs/reference/openapi.json`; it is generated. That of each release is kept in
`tests/releases`, and is never changed again: `python -m tests.check.release` puts it there.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from tests.check.api_changes import changes
from tests.check.api_document import gaps
from tests.check.project import Project

DOCUMENT: Final = Path("docs/reference/openapi.json")
RELEASES: Final = Path("tests/releases")

CORRECTIONS: Final[Mapping[str, str]] = {}
"""What looks like a break and is none, because the released document was wrong: what the check
says, and what was really so."""


def check(project: Project) -> list[str]:
    """What the document lacks, and what it breaks."""
    if DOCUMENT not in project.files:
        return [f"{DOCUMENT} is missing (python -m tests.check --fix)"]
    document = orjson.loads(project.text(DOCUMENT))
    return [f"{DOCUMENT}: {wrong}" for wrong in (*gaps(document), *_breaks(project, document))]


def _breaks(project: Project, document: Mapping[str, Any]) -> Iterator[str]:
    released = last_release(project)
    if released is None:
        yield f"no release to compare with in {RELEASES} (python -m tests.check.release)"
        return
    before = orjson.loads(project.text(released))
    found = list(changes(before, document, today=datetime.now(UTC).date()))
    yield from (f"{wrong} (since {released})" for wrong in found if wrong not in CORRECTIONS)
    yield from (f"is no correction any more: {wrong}" for wrong in CORRECTIONS.keys() - set(found))


def last_release(project: Project) -> Path | None:
    """The document of the newest release."""
    released = [p for p in project.files if p.match(f"{RELEASES}/*/openapi.json")]
    return max(released, key=lambda path: _version(path.parent.name), default=None)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))
