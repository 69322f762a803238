"""`make bench`: how long the system takes to start, and what its processes weigh.

Figures are of the machine it runs on, at the time: compare them within one run only.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import click
import psutil

from libs.context import new_context_id
from services.cli.order_flow import OrderFlow
from services.cli.stack import ONE_PROCESS, PROCESS_PER_MODULE, Stack, Topology
from tests.environment import environment

ORDERS = 20
GOALS_S = {"second start": 12.0}
GOALS_MIB = {"throughline": 180.0}
GOAL_MODULE_MIB = 110.0


def mebibytes(pid: int) -> float:
    """The resident set of a process: all its memory, what it shares with others too."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


async def measured(data: Path, topology: Topology) -> tuple[float, dict[str, float]]:
    """Seconds until ready, and MiB of each process after some orders."""
    stack = Stack(data, environment(), port=0, topology=topology)
    began = time.monotonic()
    await stack.start(lambda _: None)
    took = time.monotonic() - began
    try:
        for _ in range(ORDERS):
            await OrderFlow(stack.urls, new_context_id()).run()
        return took, {name: mebibytes(pid) for name, pid in stack.pids.items()}
    finally:
        await stack.stop()


def report(what: str, value: float, unit: str, goal: float | None) -> None:
    """One line: what, how much, and the goal if there is one."""
    aim = f"  (goal: under {goal:g})" if goal else ""
    click.echo(f"  {what:<34}{value:8.1f} {unit}{aim}")


async def main() -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as folder:
        one, four = Path(folder) / "one", Path(folder) / "four"
        click.echo("Starting (servers, migrations, demo data, modules)")
        report("first start, everything in one", (await measured(one, ONE_PROCESS))[0], "s  ", None)
        took, whole = await measured(one, ONE_PROCESS)
        report("second start, everything in one", took, "s  ", GOALS_S["second start"])
        took, parts = await measured(four, PROCESS_PER_MODULE)
        report("first start, four processes", took, "s  ", None)
        click.echo(f"\nMemory after {ORDERS} orders (resident set)")
        for name, size in {**whole, **parts}.items():
            report(name, size, "MiB", GOALS_MIB.get(name, GOAL_MODULE_MIB))


if __name__ == "__main__":
    asyncio.run(main())
