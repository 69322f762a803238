"""`python -m tests.bench.enumeration [WHAT...]`: whether time tells who has an account.

Known and unknown addresses take turns, so that whatever else the machine does happens to both.
Nothing is throttled: it would be the delays that are measured.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
import httpx

from services.cli.stack import Stack
from tests.environment import environment

ACCOUNTS: Final = 20
WARM_UP: Final = 20
PASSWORD: Final = "correct horse"
GOAL: Final = 0.05

UNTHROTTLED: Final = {
    "THROUGHLINE_AUTH_THROTTLE_ENABLED": "false",
    "THROUGHLINE_LIMIT_ENABLED": "false",
    "THROUGHLINE_AUTH_MESSAGE_PAUSE_S": "0",
}

Body = Callable[[str], dict[str, str]]
Address = Callable[[int], str]


def known(number: int) -> str:
    """An address with an account."""
    return f"user{number % ACCOUNTS}@example.com"


def unknown(number: int) -> str:
    """An address without one, another each time."""
    return f"nobody{number}@example.com"


def login(address: str) -> dict[str, str]:
    """With a wrong password."""
    return {"email": address, "password": "wrong horse"}


def sign_up(address: str) -> dict[str, str]:
    """With a password that follows the rules."""
    return {"email": address, "password": PASSWORD, "displayName": "Somebody"}


def request(address: str) -> dict[str, str]:
    """For a message."""
    return {"email": address}


async def timed(
    http: httpx.AsyncClient, path: str, body: Body, status: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each request with a known and an unknown address."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + rounds):
        order = ((0, known), (1, unknown)) if number % 2 else ((1, unknown), (0, known))
        for which, address in order:
            began = time.perf_counter()
            answer = await http.post(path, json=body(address(number)))
            took = (time.perf_counter() - began) * 1000
            if answer.status_code != status:
                raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")
            if number >= WARM_UP:
                found[which].append(took)
    return found


def report(what: str, of_known: Sequence[float], of_unknown: Sequence[float]) -> None:
    """One line: both medians, and how far they are apart."""
    one, other = statistics.median(of_known), statistics.median(of_unknown)
    apart = (one - other) / other
    verdict = "" if abs(apart) < GOAL else f"  (goal: within {GOAL:.0%})"
    click.echo(
        f"  {what:<24}{len(of_known):5} each  known {one:7.2f} ms  unknown {other:7.2f} ms"
        f"  {apart:+.1%}{verdict}"
    )


SCENARIOS: Final = {
    "login": ("/v1/auth/login", login, 401, 1000),
    "reset": ("/v1/auth/password-reset/request", request, 202, 1000),
    "verification": ("/v1/auth/verification/request", request, 202, 1000),
    "signup": ("/v1/auth/signup", sign_up, 201, 200),
}
"""Path, body, expected status and rounds, by name."""


async def measured(url: str, wanted: Sequence[str], rounds: int | None) -> None:
    """Print a line for each scenario."""
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        for number in range(ACCOUNTS):
            await http.post("/v1/auth/signup", json=sign_up(known(number)))
        click.echo("Medians, one request at a time")
        for what in wanted:
            path, body, status, usual = SCENARIOS[what]
            report(what, *await timed(http, path, body, status, rounds or usual))


async def run(wanted: Sequence[str], rounds: int | None) -> None:
    """Start everything, and print what was measured."""
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as folder:
        stack = Stack(Path(folder), {**environment(), **UNTHROTTLED}, port=0)
        await stack.start(lambda _: None)
        try:
            await measured(stack.urls["auth"], wanted, rounds)
        finally:
            await stack.stop()


@click.command()
@click.argument("wanted", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--rounds", type=click.IntRange(1), help="How many of each; else as many as usual.")
def main(wanted: tuple[str, ...], rounds: int | None) -> None:
    """Measure WANTED, or everything."""
    asyncio.run(run(wanted or tuple(SCENARIOS), rounds))


if __name__ == "__main__":
    main()
