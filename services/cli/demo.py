"""`throughline demo`: one order, and everything it left behind, joined by its contextId."""

import asyncio
import os
import time
from pathlib import Path

import click
import httpx

from libs.context import new_context_id
from libs.embedded import EmbeddedError
from services.cli import process, trace
from services.cli.order_flow import FlowError, OrderFlow
from services.cli.stack import Running, Stack
from services.cli.up import data_option

TRACE_TIMEOUT_S = 30.0


@click.command()
@data_option
@click.option("--quiet", is_flag=True, help="Only the result, without the table.")
def demo(data: Path, quiet: bool) -> None:
    """Place one order and print every step of it in time order.

    Uses the system that `throughline up` runs on the same data folder, or starts one for the time
    being. Exit status 0 only if the order was confirmed and every step carried the contextId.
    """
    try:
        process.run(_demonstrate(data, quiet=quiet))
    except (EmbeddedError, FlowError) as error:
        raise click.ClickException(str(error)) from error


async def _demonstrate(data: Path, *, quiet: bool) -> None:
    running = Running.find(data)
    if running is not None and await _answers(running):
        await _order(running, quiet=quiet)
        return
    click.echo("Nothing runs on this data folder: starting a system for the demo", err=True)
    stack = Stack(data, os.environ, port=0)
    try:
        await stack.start(lambda text: click.echo(f"  · {text}", err=True))
        await _order(stack.running, quiet=quiet)
    finally:
        await stack.stop()


async def _answers(running: Running) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{running.urls['api']}/health/live")).status_code == 200
        except httpx.TransportError:
            return False


async def _order(running: Running, *, quiet: bool) -> None:
    flow = OrderFlow(running.urls, new_context_id())
    order = await flow.run()
    steps = await _trace(running, flow.context_id)
    if not quiet:
        click.echo(trace.table(steps))
        click.echo("")
    strays = trace.strays(trace.read(running.logs), steps, order["id"])
    absent = trace.missing(steps)
    for stray in strays:
        click.echo(f"under another contextId: {trace.table([stray])}", err=True)
    for step in absent:
        click.echo(f"not seen: {step}", err=True)
    assessment = order["assessment"]
    click.echo(
        f"order {order['id']} is {order['status']}: "
        f"{order['total']['amount']} {order['total']['currency']} = "
        f"{assessment['reportingTotal']['amount']} {assessment['reportingTotal']['currency']}, "
        f"due on {assessment['dueOn']}{', from stored rates' if assessment['stale'] else ''}"
    )
    click.echo(f"contextId {flow.context_id}: {len(steps)} steps")
    if strays or absent:
        raise FlowError(f"{len(absent)} steps not seen, {len(strays)} under another contextId")


async def _trace(running: Running, context_id: str) -> list[trace.Line]:
    """The steps, once all are written; what is there after a while if some never come."""
    deadline = time.monotonic() + TRACE_TIMEOUT_S
    while True:
        steps = trace.of_context(trace.read(running.logs), context_id)
        if not trace.missing(steps) or time.monotonic() > deadline:
            return steps
        await asyncio.sleep(0.2)
