"""Run all checks, or those that are named; report every violation; exit status 1 if any."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from tests.check import (
    api,
    dependencies,
    documents,
    environment,
    generated,
    imports,
    skaffold,
    tables,
    tools,
    without_drivers,
    wording,
)
from tests.check.project import Project

Check = Callable[[Project], list[str]]

CHECKS: Mapping[str, Check] = {
    "types": tools.types,  # first, because it takes longest
    "imports": imports.check,
    "style": tools.style,
    "layout": tools.layout,
    "dependencies": dependencies.check,
    "without-drivers": without_drivers.check,
    "tables": tables.check,
    "environment": environment.check,
    "documents": documents.check,
    "generated": generated.check,
    "api": api.check,
    "wording": wording.check,
    "skaffold": skaffold.check,
}
AT_A_TIME = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found."""

    name: str
    violations: Sequence[str]
    seconds: float


def run(name: str, check: Check, project: Project) -> Outcome:
    """The outcome of one check; one that cannot be made is a violation."""
    began = time.perf_counter()
    try:
        found = check(project)
    except Exception as error:  # noqa: BLE001 (the other checks go on)
        found = [f"the check itself failed: {type(error).__name__}: {error}"]
    return Outcome(name, found, time.perf_counter() - began)


@click.command()
@click.argument("names", nargs=-1, metavar="[CHECK...]", type=click.Choice(list(CHECKS)))
@click.option("--fix", is_flag=True, help="Rewrite the generated parts of the docs first.")
def main(names: Sequence[str], fix: bool) -> None:
    """Check the project: all of it, or what is named."""
    project = Project()
    if fix:
        for path in generated.fix(project):
            click.echo(f"rewritten: {path}")
    chosen = {name: check for name, check in CHECKS.items() if not names or name in names}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = pool.map(lambda name: run(name, chosen[name], project), chosen)
        failed = [outcome.name for outcome in outcomes if not _reported(outcome)]
    if failed:
        click.secho(f"\n{len(failed)} of {len(chosen)} failed: {', '.join(failed)}", fg="red")
    sys.exit(bool(failed))


def _reported(outcome: Outcome) -> bool:
    """Tell the outcome; gives whether it is good."""
    word, colour = ("FAILED", "red") if outcome.violations else ("ok", "green")
    click.secho(f"{word:<7}", fg=colour, nl=False)
    click.echo(f"{outcome.name} ({outcome.seconds:.1f} s)")
    for violation in outcome.violations:
        click.echo(f"    {violation}")
    return not outcome.violations


if __name__ == "__main__":
    main()
