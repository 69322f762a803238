"""Keys are rotated while the system is in use, and sessions end, in each topology."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson

from services.cli.stack import Stack
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CLIENTS = 6
BOUND_S = 10.0
"""The longest that a token of a session that has ended is accepted anywhere."""

ROUTES = {
    "auth": "/v1/users/me",
    "api": "/v1/services?limit=1",
    "worker": "/v1/audit?limit=1",
    "integrations": "/v1/holidays?country=DE&year=2026",
}
"""Something that each module shows to an administrator."""


async def _keys(stack: Stack, *arguments: str) -> str:
    """What `throughline keys` says, as an operator calls it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli.main", "keys", *arguments),
        cwd=ROOT,
        env={**stack.environ, "THROUGHLINE_LOG_LEVEL": "error"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return (output or errors).decode()


def _kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@dataclass
class Admin:
    """The demo administrator, in a session."""

    stack: Stack
    http: httpx.AsyncClient
    tokens: dict[str, Any] = field(default_factory=dict)

    async def log_in(self) -> None:
        account = orjson.loads(self.stack.credentials.read_bytes())["admin"]
        answer = await self.http.post(f"{self.stack.urls['auth']}/v1/auth/login", json=account)
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()

    async def refresh(self) -> None:
        answer = await self.post("refresh")
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()

    async def post(self, what: str) -> httpx.Response:
        body = {"refreshToken": self.tokens["refreshToken"]}
        return await self.http.post(f"{self.stack.urls['auth']}/v1/auth/{what}", json=body)

    async def status(self, module: str, token: str | None = None) -> int:
        """What a module answers to a token; to the latest if it is not said which."""
        bearer = {"Authorization": f"Bearer {token or self.tokens['accessToken']}"}
        url = f"{self.stack.urls[module]}{ROUTES[module]}"
        return (await self.http.get(url, headers=bearer)).status_code


@asynccontextmanager
async def _admin(stack: Stack) -> AsyncIterator[Admin]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        admin = Admin(stack, http)
        await admin.log_in()
        yield admin


class Load:
    """Clients who ask every module all the time, with new tokens and with old ones."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stopping = asyncio.Event()
        self.answers: Counter[int] = Counter()
        self.kids: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        async with AsyncExitStack() as stack:
            # One after another: many logins of one account at once are throttled.
            admins = [await stack.enter_async_context(_admin(self._stack)) for _ in range(CLIENTS)]
            clients = [asyncio.create_task(self._client(admin)) for admin in admins]
            try:
                yield self
            finally:
                self._stopping.set()
                await asyncio.gather(*clients)

    def has_seen(self, kid: str) -> bool:
        """Whether every client has had tokens that this key has signed."""
        return self.kids[kid] >= 2 * CLIENTS

    async def _client(self, admin: Admin) -> None:
        first = admin.tokens["accessToken"]
        while not self._stopping.is_set():
            await admin.refresh()
            latest = admin.tokens["accessToken"]
            self.kids[_kid(latest)] += 1
            for token in (latest, first):
                for module in ROUTES:
                    self.answers[await admin.status(module, token)] += 1


async def test_rotating_the_keys_under_load_costs_no_answer(stack: Stack) -> None:
    async with Load(stack).running() as load:
        await until(lambda: load.answers[200] > 100, "there is load")
        for _ in range(2):
            added = (await _keys(stack, "rotate")).split()[0]
            await until(partial(load.has_seen, added), "it signs")
    assert len(load.kids) == 3
    assert set(load.answers) == {200}, load.answers
    listed = await _keys(stack, "list")
    states = [line.split()[1] for line in listed.splitlines()[1:]]
    assert states == ["verifies", "verifies", "signs"]
    print(f"\n{load.answers.total()} answers, 0 of them 401")  # noqa: T201 (the measurement)


async def test_a_session_that_has_ended_is_refused_everywhere_within_the_bound(
    stack: Stack,
) -> None:
    async with _admin(stack) as admin:
        for module in ROUTES:
            assert await admin.status(module) == 200
        assert (await admin.post("logout")).status_code == 204
        began, left, took = time.monotonic(), set(ROUTES), dict[str, float]()
        while left:
            for module in list(left):
                if await admin.status(module) == 401:
                    took[module] = round(time.monotonic() - began, 3)
                    left.discard(module)
            assert time.monotonic() - began < BOUND_S, f"still open: {left}"
            await asyncio.sleep(0.02)
        assert (await admin.post("refresh")).status_code == 401
    print(f"\nrefused after {took} s")  # noqa: T201 (the measurement)


async def test_what_is_done_in_a_session_is_told_with_it(stack: Stack) -> None:
    """In log lines, and in the headers of events."""
    async with _admin(stack) as admin:
        claims = jwt.decode(admin.tokens["accessToken"], options={"verify_signature": False})
        sid = claims["sid"].encode()
        await admin.status("auth")

        def lines() -> list[dict[str, Any]]:
            written = (line for log in stack.logs for line in log.read_bytes().splitlines())
            found = [orjson.loads(w) for w in written if sid in w and w.endswith(b"}")]
            return [line for line in found if line.get("sessionId") == claims["sid"]]

        wanted = {"request.finished", "outbox.added", "event.published", "event.consumed"}
        await until(lambda: wanted <= {line["event"] for line in lines()}, "the session in logs")
        assert {line["userId"] for line in lines()} == {claims["sub"]}
