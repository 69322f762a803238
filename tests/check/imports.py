"""Who may import whom: derived from which modules there are, and held by import-linter.

Run as a program in the tree's root (`python -m tests.check.imports`): the packages `libs` and
`services` that are looked at are those of the working directory.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import product

import click
import grimp
from importlinter.application.output import console
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.domain.contract import Contract

from services.registry import MODULES
from tests.check.project import Project

DRIVERS = ("tortoise", "asyncpg", "aerich", "aiokafka", "motor", "pymongo", "odmantic")
"""What is not installed where `integrations` runs."""

MONGO = {
    "motor": r"\.repository$",  # it is at the end of its life
    "pymongo": r"\.repository$",
    "bson": r"\.repository$",
    "odmantic": r"\.(repository|documents)$",
}
"""Who, besides `libs.documents`, may know that documents are in MongoDB."""

UPWARD = {
    "errors": ("models", "documents", "repository", "schemas", "service", "handlers", "routes"),
    "models": ("repository", "schemas", "service", "handlers", "routes"),
    "documents": ("repository", "schemas", "service", "handlers", "routes"),
    "repository": ("service", "handlers", "routes"),
    "schemas": ("service", "handlers", "routes"),
    "service": ("handlers", "routes"),
    "handlers": ("routes",),
}
"""Inside a module: routes and handlers → service → repository → models."""

SERVING = ("services.cli.main", "services.cli.serve", "services.cli.host")
"""What every serving process imports of the command line."""


def check(project: Project) -> list[str]:
    """Imports that go where they may not."""
    return project.run("tests.check.imports")


def violations(graph: grimp.ImportGraph, modules: Sequence[str]) -> Iterator[str]:
    """What the imports of the tree break."""
    for contract in contracts(graph, modules):
        result = contract.check(deepcopy(graph), verbose=False)
        if not result.kept:
            with console.capture() as rendered:
                contract.render_broken_contract(result)
            yield from (f"{contract.name}: {chain}" for chain in _chains(rendered.get()))
    yield from _cycles(graph)
    yield from _misplaced(graph)


def contracts(graph: grimp.ImportGraph, modules: Sequence[str]) -> Iterator[Contract]:
    """The rules, as import-linter's contracts."""
    parts = [f"services.{name}" for name in modules if f"services.{name}" in graph.modules]
    yield _forbidden("libs know no module", ["libs"], ["services"])
    if len(parts) > 1:
        yield IndependenceContract("modules know no other module", _SESSION, {"modules": [*parts]})
    above = [name for name in ("services.cli", "services.registry") if name in graph.modules]
    if above and parts:
        yield _forbidden("the command line is above the modules", parts, above)
    for module, (layer, higher) in product(modules, UPWARD.items()):
        sources, targets = _layers(graph, module, (layer,)), _layers(graph, module, higher)
        if sources and targets:
            yield _forbidden(f"arrows point down: {layer}", sources, targets)
    if "services.integrations" in parts:
        yield _forbidden("integrations needs no driver", ["services.integrations"], [*DRIVERS])
    serving = [name for name in (*parts, *SERVING, "libs") if name in graph.modules]
    yield _forbidden("kubernetes is for operators", serving, ["kubernetes"])
    yield AcyclicSiblingsContract(
        "packages have no cycles", _SESSION, {"ancestors": ["libs", "services"]}
    )


_SESSION = {"root_packages": ["libs", "services"], "include_external_packages": True}


def _forbidden(name: str, sources: Sequence[str], targets: Sequence[str]) -> Contract:
    options = {"source_modules": sources, "forbidden_modules": targets}
    return ForbiddenContract(name, _SESSION, options)


def _layers(graph: grimp.ImportGraph, module: str, names: Sequence[str]) -> list[str]:
    """The files of a module's domains with these names."""
    pattern = rf"services\.{module}\.(\w+\.)+({'|'.join(names)})"
    return sorted(name for name in graph.modules if re.fullmatch(pattern, name))


def _chains(rendered: str) -> list[str]:
    """What import-linter prints of a broken contract: each chain of imports as one line."""
    chains: list[str] = []
    lines = [line.strip() for line in rendered.splitlines()]
    for line in lines:
        if line.startswith("-") and "(l." in line:
            chains.append(line.lstrip("- "))
        elif chains and "(l." in line:
            chains[-1] += f", {line}"
    return chains or [" ".join(line for line in lines if line)]


def _cycles(graph: grimp.ImportGraph) -> Iterator[str]:
    """Files that import each other, however far around: each cycle once."""
    seen: set[frozenset[str]] = set()
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            back = graph.find_shortest_chain(importer=imported, imported=importer)
            if back is not None and frozenset(back) not in seen:
                seen.add(frozenset(back))
                yield f"files have no cycles: {' → '.join((importer, *back))}"


def _misplaced(graph: grimp.ImportGraph) -> Iterator[str]:
    """Imports of MongoDB's drivers and models where they have no business."""
    for driver, place in MONGO.items():
        if driver not in graph.modules:
            continue
        for importer in sorted(graph.find_modules_that_directly_import(driver)):
            if not (importer.startswith("libs.documents.") or re.search(place, importer)):
                details = graph.get_import_details(importer=importer, imported=driver)
                line = details[0]["line_number"]
                yield f"{driver} is for repositories: {importer} imports it (line {line})"


def main() -> None:
    """Print what is wrong; exit status 1 if anything."""
    configure()
    console.width = 1000
    graph = grimp.build_graph(
        "libs",
        "services",
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    found = list(violations(graph, MODULES))
    for violation in found:
        click.echo(violation)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
