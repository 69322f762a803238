"""What a module imports is in its dependency group: its image holds nothing else."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any

import click
import grimp
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.registry import MODULES
from tests.check.imports import SERVING
from tests.check.project import Project


def check(project: Project) -> list[str]:
    """Imports that no dependency stands behind."""
    return project.run("tests.check.dependencies")


def violations(pyproject: Mapping[str, Any], graph: grimp.ImportGraph) -> Iterator[str]:
    """The third-party imports of each module, and of all that it reaches, that its group lacks."""
    known = packages_distributions()
    for module in MODULES:
        files = graph.find_descendants(f"services.{module}") | {f"services.{module}"}
        files |= {name for name in SERVING if name in graph.modules}
        reached = files.union(*(graph.find_upstream_modules(name) for name in files))
        installed = closure([*pyproject["project"]["dependencies"], *_group(pyproject, module)])
        for package in sorted(_third_party(reached, graph)):
            providers = {canonicalize_name(name) for name in known.get(package, ())}
            if not providers & installed:
                importers = graph.find_modules_that_directly_import(package) & reached
                yield (
                    f"pyproject.toml: the group {module} has nothing for {package}, "
                    f"which {min(importers)} imports"
                )


def _third_party(names: Iterable[str], graph: grimp.ImportGraph) -> set[str]:
    return {
        name
        for name in names
        if graph.is_module_squashed(name) and name not in sys.stdlib_module_names
    }


def _group(pyproject: Mapping[str, Any], name: str) -> Iterator[str]:
    """The requirements of a dependency group, included groups and all (PEP 735)."""
    for entry in pyproject["dependency-groups"].get(name, ()):
        if isinstance(entry, str):
            yield entry
        else:
            yield from _group(pyproject, entry["include-group"])


def closure(requirements: Iterable[str]) -> set[str]:
    """The names of all distributions that these requirements install."""
    found: set[tuple[str, str]] = set()
    todo = [(Requirement(text), "") for text in requirements]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found.add((name, wanted))
                todo += [(Requirement(text), wanted) for text in _requires(name)]
    return {name for name, _ in found}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []


def main() -> None:
    """Print what is wrong; exit status 1 if anything."""
    with open("pyproject.toml", "rb") as file:  # noqa: PTH123 (of the working directory)
        pyproject = tomllib.load(file)
    graph = grimp.build_graph(
        "libs",
        "services",
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    found = list(violations(pyproject, graph))
    for violation in found:
        click.echo(violation)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
