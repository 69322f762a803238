"""`integrations` is hosted where the drivers are not installed: seen by doing without them.

Run as a program: `python -m tests.check.without_drivers MODULE... --without PACKAGE...`.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import click

from tests.check.imports import DRIVERS
from tests.check.project import Project

HOSTED = ("services.integrations.module", "services.cli.serve", "services.cli.host")


def check(project: Project) -> list[str]:
    """What cannot be imported without the drivers."""
    blocked = [argument for driver in DRIVERS for argument in ("--without", driver)]
    return project.run("tests.check.without_drivers", *HOSTED, *blocked)


class NotInstalled(MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = frozenset(packages)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (the interface's)
        target: ModuleType | None = None,  # noqa: ARG002 (the interface's)
    ) -> ModuleSpec | None:
        """Nothing of these packages can be found."""
        if fullname.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--without", multiple=True)
def main(modules: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Import MODULES without some packages; exit status 1 if that is not possible."""
    sys.meta_path.insert(0, NotInstalled(without))
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise SystemExit(f"{module}: {_importer(error)} needs {error.name}") from error


def _importer(error: ModuleNotFoundError) -> str:
    """The file of ours whose import failed."""
    found = "?"
    traceback = error.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if name.startswith(("libs.", "services.")):
            found = f"{name} (line {traceback.tb_lineno})"
        traceback = traceback.tb_next
    return found


if __name__ == "__main__":
    main()
