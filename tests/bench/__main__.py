"""`make bench`: how long the system takes to start, what requests cost, what its processes weigh.

Figures are of the machine it runs on, at the time: compare them within one run only.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import psutil

from libs.context import new_context_id
from services.cli.order_flow import OrderFlow
from services.cli.stack import ONE_PROCESS, PROCESS_PER_MODULE, Stack, Topology
from tests.bench import scenarios
from tests.environment import environment

ORDERS = 20
GOALS_S = {"second start": 12.0}
GOALS_MIB = {"throughline": 180.0}
GOAL_MODULE_MIB = 110.0
GOAL_AFTER_LOAD_MIB = 100.0


def mebibytes(pid: int) -> float:
    """The resident set of a process: all its memory, what it shares with others too."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


@asynccontextmanager
async def started(data: Path, topology: Topology) -> AsyncIterator[tuple[Stack, float]]:
    """The running system, and the seconds that it took to get ready."""
    stack = Stack(data, environment(), port=0, topology=topology)
    began = time.monotonic()
    await stack.start(lambda _: None)
    took = time.monotonic() - began
    try:
        yield stack, took
    finally:
        await stack.stop()


async def weights(stack: Stack) -> dict[str, float]:
    """MiB of each process after some orders."""
    for _ in range(ORDERS):
        await OrderFlow(stack.urls, new_context_id()).run()
    return {name: mebibytes(pid) for name, pid in stack.pids.items()}


def report(what: str, value: float, unit: str, goal: float | None) -> None:
    """One line: what, how much, and the goal if there is one."""
    aim = f"  (goal: under {goal:g})" if goal else ""
    click.echo(f"  {what:<34}{value:8.1f} {unit}{aim}")


async def loaded(stack: Stack) -> float:
    """Print what requests cost; MiB of the process that answers them, afterwards."""
    pid = stack.pids["api"]
    click.echo("\nRequests to api, in a process of its own (as fast as it answers)")
    async for found in scenarios.measured(stack.urls, pid):
        failed = f", {found.failed} failed" if found.failed else ""
        click.echo(
            f"  {found.name:<34}{found.per_second:8.0f} a second"
            f"  {found.cpu_ms:6.2f} ms of CPU  p50 {found.p50_ms:.1f} ms"
            f"  p99 {found.p99_ms:.1f} ms{failed}"
        )
    return mebibytes(pid)


async def main() -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as folder:
        one, four = Path(folder) / "one", Path(folder) / "four"
        click.echo("Starting (servers, migrations, demo data, modules)")
        async with started(one, ONE_PROCESS) as (_, took):
            report("first start, everything in one", took, "s  ", None)
        async with started(one, ONE_PROCESS) as (stack, took):
            report("second start, everything in one", took, "s  ", GOALS_S["second start"])
            whole = await weights(stack)
        async with started(four, PROCESS_PER_MODULE) as (stack, took):
            report("first start, four processes", took, "s  ", None)
            parts = await weights(stack)
            after = await loaded(stack)
    click.echo(f"\nMemory after {ORDERS} orders (resident set)")
    for name, size in {**whole, **parts}.items():
        report(name, size, "MiB", GOALS_MIB.get(name, GOAL_MODULE_MIB))
    report("api, after the requests above", after, "MiB", GOAL_AFTER_LOAD_MIB)


if __name__ == "__main__":
    asyncio.run(main())
