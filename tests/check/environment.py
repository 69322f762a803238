"""Nothing reads the environment but the loader of settings, and the command line for it."""

import ast
from collections.abc import Iterator

from tests.check.project import Project

READERS = ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv")
ALLOWED = ("libs/config.py", "services/cli/")


def check(project: Project) -> list[str]:
    """The places where it is read."""
    return [
        f"{path}:{line}: reads the environment ({what}): settings are passed in"
        for path in project.python("libs", "services")
        if not str(path).startswith(ALLOWED)
        for line, what in _uses(ast.parse(project.text(path)))
    ]


def _uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = {"os"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.name == "os" and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in READERS:
                    yield node.lineno, f"from os import {alias.name}"
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in names
            and node.attr in READERS
        ):
            yield node.lineno, f"os.{node.attr}"
