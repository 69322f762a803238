"""What the docs name is there: paths, make targets, commands, settings, other documents."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import click

from libs.config import PREFIX, peer_variable, variables
from libs.settings import HostSettings
from services import registry
from services.cli.main import main
from tests.check import markdown
from tests.check.markdown import Piece
from tests.check.project import Project

SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".lock", ".txt", ".sql", ".ini", ".cfg")
RUNTIME = (".data", ".venv", "build", "dist")
"""Folders that are made by running the project."""

SHELL = ("", "sh", "shell", "bash", "console", "text")
_PATH = re.compile(r"(?:\./)?[\w.*<>{}…-]+(?:/[\w.*<>{}…-]+)*/?")
_MAKE = re.compile(r"(?:^|[;&|]\s*|\$\s+)make\s+(.*)")
_THROUGHLINE = re.compile(r"(?:^|[;&|]\s*|\$\s+|\s)(?:[\w./]+/)?throughline\s+(.*)")
_VARIABLE = re.compile(rf"{PREFIX}(?:[A-Z0-9_*…]|<\w+>)*")
_PLACEHOLDER = re.compile(r"<\w+>|\*|…|\{\w+\}")


def check(project: Project) -> list[str]:
    """What they name and is not there."""
    return list(violations(project, Names.of(project)))


def documents(project: Project) -> list[Path]:
    """README.md and everything under docs."""
    return [
        path
        for path in project.files
        if path.suffix == ".md" and (path.parts[0] == "docs" or path.parts == ("README.md",))
    ]


@dataclass(frozen=True)
class Names:
    """What there is to be named.

    Attributes:
        targets: of the Makefile.
        make_variables: that the Makefile reads.
        command: the command line.
        settings: the names of all environment variables of ours.
    """

    targets: frozenset[str]
    make_variables: frozenset[str]
    command: click.Command
    settings: frozenset[str]

    @classmethod
    def of(cls, project: Project) -> "Names":
        """What this project has."""
        makefile = project.text(Path("Makefile"))
        modules = registry.load(registry.MODULES)
        named_in_code = {
            name
            for path in project.python("libs", "services")
            for name in re.findall(rf'"({PREFIX}[A-Z0-9_]+)"', project.text(path))
        }
        return cls(
            targets=frozenset(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)),
            make_variables=frozenset(re.findall(r"\b([A-Z]+)\b", makefile)),
            command=main,
            settings=frozenset(
                {*variables(HostSettings, modules), *map(peer_variable, registry.MODULES)}
                | named_in_code
            ),
        )


def violations(project: Project, names: Names) -> Iterator[str]:
    """What the docs of `project` name that is not among `names` or its files."""
    paths = _Paths(project)
    for path in documents(project):
        text = _without_options(path, project.text(path))
        for piece in markdown.code(text):
            for wrong in (
                *_wrong_paths(piece, path, paths),
                *_wrong_targets(piece, names),
                *_wrong_commands(piece, names.command),
            ):
                yield f"{path}:{piece.line}: {wrong}"
        for number, line in enumerate(text.splitlines(), 1):
            yield from (f"{path}:{number}: {wrong}" for wrong in _wrong_variables(line, names))
        for link in markdown.links(text):
            if (wrong_link := _wrong_link(link.text, path, project)) is not None:
                yield f"{path}:{link.line}: {wrong_link}"


def _without_options(path: Path, text: str) -> str:
    """`text`; of a decision, without what might have been."""
    if path.parent.name != "decisions":
        return text
    options = re.compile(r"^## Options$.*?(?=^## )", re.MULTILINE | re.DOTALL)
    return options.sub(lambda section: "\n" * section[0].count("\n"), text)


@dataclass(frozen=True)
class _Paths:
    project: Project

    @cached_property
    def every(self) -> frozenset[PurePosixPath]:
        """Files and folders."""
        files = [PurePosixPath(path) for path in self.project.files]
        return frozenset([*files, *(parent for file in files for parent in file.parents)])

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(path.name for path in self.every)

    @cached_property
    def top(self) -> frozenset[str]:
        return frozenset(path.parts[0] for path in self.every if path.parts)

    def has(self, name: str, document: Path) -> bool:
        """Whether a path is there: from the root on, or from the document, or anywhere by name."""
        wanted = PurePosixPath(name)
        if "/" not in name.strip("/") and wanted.name in self.names:
            return True
        pattern = PurePosixPath(_PLACEHOLDER.sub("*", name))
        if "*" in str(pattern):
            return any(path.match(str(pattern)) for path in self.every)
        return wanted in self.every or PurePosixPath(document.parent) / wanted in self.every


def _wrong_paths(piece: Piece, document: Path, paths: _Paths) -> Iterator[str]:
    if piece.language is not None and piece.language not in SHELL:
        return
    words = piece.text.split() if piece.language is not None else [piece.text]
    for word in (w.strip("\"'(),;:") for w in words):
        if not _PATH.fullmatch(word) or word.startswith(RUNTIME):
            continue
        name = word.removeprefix("./")
        inside = name.partition("/")[0] in paths.top and "/" in name
        if (inside or name.endswith(SUFFIXES)) and not paths.has(name, document):
            yield f"there is no {name}"


def _wrong_targets(piece: Piece, names: Names) -> Iterator[str]:
    for match in _MAKE.finditer(_command(piece)):
        for word in re.split(r"[;&|]", match[1])[0].split():
            variable, assigned, _ = word.partition("=")
            if assigned and variable not in names.make_variables:
                yield f"the Makefile has no variable {variable}"
            elif not assigned and re.fullmatch(r"[a-z-]+", word) and word not in names.targets:
                yield f"the Makefile has no target {word}"


def _wrong_commands(piece: Piece, command: click.Command) -> Iterator[str]:
    for match in _THROUGHLINE.finditer(_command(piece)):
        arguments = re.split(r"[;&|>]", match[1])[0].replace("…", "...")
        try:
            words = shlex.split(arguments)
        except ValueError:
            words = arguments.split()
        yield from _wrong_words(words, command, "throughline")


def _wrong_words(words: list[str], command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command)
    options = {"--help"} | {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    for position, word in enumerate(words):
        if word.startswith("-"):
            option = word.partition("=")[0].strip("[]")
            if option not in options:
                yield f"{name} has no option {option}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            inner = command.get_command(context, word)
            if inner is None:
                yield f"{name} has no command {word}"
            else:
                yield from _wrong_words(words[position + 1 :], inner, f"{name} {word}")
            return


def _command(piece: Piece) -> str:
    """The text of a command; without the comment behind it, and without output beside it."""
    if piece.language is not None and piece.language not in SHELL:
        return ""
    return re.split(r"\s#\s|\s{4,}", piece.text.strip())[0]


def _wrong_variables(line: str, names: Names) -> Iterator[str]:
    for match in _VARIABLE.finditer(line):
        name = match[0]
        pattern = re.compile(_PLACEHOLDER.sub("[A-Z0-9_]+", name))
        prefix = name.endswith("_")
        found = any((pattern.match if prefix else pattern.fullmatch)(s) for s in names.settings)
        if not found:
            yield f"there is no setting {name}"


def _wrong_link(target: str, document: Path, project: Project) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    path = project.root / (document.parent / name if name else document)
    if not path.exists():
        return f"the link {target} leads nowhere"
    if anchor and path.suffix == ".md" and anchor not in markdown.anchors(path.read_text()):
        return f"the link {target} leads to no heading of {name or document}"
    return None
