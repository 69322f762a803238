"""The project speaks of itself alone: not of the machine or the tools it was written with."""

import re

from tests.check.project import Project

# A bracket in a pattern keeps it from being found in this file.
PATTERNS = {
    "a path of one machine": re.compile(
        r"(?<![\w.~$}])/(?:[w]ork|[r]oot)/|(?<![\w.~$}])/(?:[h]ome|[U]sers)/[\w.-]+/"
    ),
    "a path of one Windows machine": re.compile(r"\b[A-Z]:\\[U]sers\\\w"),
    "who or what wrote it": re.compile(
        r"\b(?:[C]laude|[A]nthropic|[C]hat-?GPT|[O]penAI|[C]opilot|GPT-\d|[G]emini Pro)\b"
        r"|\b(?:AI|LLM|machine)[ -](?:[g]enerated|[w]ritten|[a]ssisted|authored)\b"
        r"|\b[a]s an AI\b|\b[l]anguage model\b|\b[C]o-?authored-by\b",
        re.IGNORECASE,
    ),
}
ALLOWED = ("uv.lock", "tests/check/schemas/")


def check(project: Project) -> list[str]:
    """The places where it does not."""
    return [
        f"{path}:{number}: {what}: {match[0]}"
        for path in project.files
        if not str(path).startswith(ALLOWED)
        for number, line in enumerate(project.text(path).splitlines(), 1)
        for what, pattern in PATTERNS.items()
        if (match := pattern.search(line))
    ]
