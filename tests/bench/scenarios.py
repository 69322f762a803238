"""What is asked of the module `api`, and what it costs."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson
import psutil

from tests.bench.load import UNIQUE, Plan, Result

ORDERS: Final = 20
WARM_UP_S: Final = 1.0
SECONDS: Final = 4.0


@dataclass(frozen=True)
class Figures:
    """What came of a scenario.

    Attributes:
        per_second: requests.
        cpu_ms: of the process, for a request.
        failed: answers that were not 2xx.
    """

    name: str
    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    failed: int


async def measured(urls: Mapping[str, str], pid: int) -> AsyncIterator[Figures]:
    """The figures of each scenario.

    Args:
        urls: of the modules `auth` and `api`.
        pid: of the process that hosts `api`.
    """
    for name, requests in (await _scenarios(urls)).items():
        await _load(urls["api"], requests, WARM_UP_S)
        process = psutil.Process(pid)
        before = sum(process.cpu_times()[:2])
        result = await _load(urls["api"], requests, SECONDS)
        cpu = sum(process.cpu_times()[:2]) - before
        yield Figures(
            name=name,
            per_second=result.requests / result.seconds,
            cpu_ms=cpu / result.requests * 1000,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            failed=result.failed,
        )


async def _scenarios(urls: Mapping[str, str]) -> dict[str, list[str]]:
    """The requests of each, by a customer with orders."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        token = await _customer(http, urls["auth"])
        http.headers["authorization"] = f"Bearer {token}"
        api = urls["api"]
        catalogue = (await http.get(f"{api}/v1/services", params={"active": True})).json()
        ids = [s["id"] for s in catalogue["items"] if s["price"]["currency"] == "EUR"]
        orders = [_order(pair) for pair in zip(ids, [*ids[1:], ids[0]], strict=True)]
        for number in range(ORDERS):
            body = orders[number % len(orders)]
            headers = {"idempotency-key": secrets.token_hex(8), "content-type": "application/json"}
            (await http.post(f"{api}/v1/orders", content=body, headers=headers)).raise_for_status()
    return {
        "a cached service": [_request(api, token, "GET", f"/v1/services/{each}") for each in ids],
        f"a list of {ORDERS} orders": [
            _request(api, token, "GET", f"/v1/orders?limit={ORDERS}"),
        ],
        "placing an order": [
            _request(api, token, "POST", "/v1/orders", body.decode()) for body in orders
        ],
    }


async def _customer(http: httpx.AsyncClient, auth: str) -> str:
    """The access token of somebody who has just signed up."""
    account = {
        "email": f"bench-{secrets.token_hex(6)}@throughline.example",
        "password": secrets.token_urlsafe(16),
    }
    signup = {**account, "displayName": "Bench"}
    (await http.post(f"{auth}/v1/auth/signup", json=signup)).raise_for_status()
    login = await http.post(f"{auth}/v1/auth/login", json=account)
    login.raise_for_status()
    return str(login.json()["accessToken"])


def _order(service_ids: Sequence[str]) -> bytes:
    lines: list[dict[str, Any]] = [
        {"serviceId": each, "quantity": number} for number, each in enumerate(service_ids, 1)
    ]
    return orjson.dumps({"currency": "EUR", "lines": lines})


def _request(api: str, token: str, method: str, target: str, body: str = "") -> str:
    """A request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {urlsplit(api).netloc}"]
    lines += [f"authorization: Bearer {token}"]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"idempotency-key: {UNIQUE}"]
    return "\r\n".join([*lines, "", body])


async def _load(api: str, requests: list[str], seconds: float) -> Result:
    """Have it asked, by a process of its own."""
    address = urlsplit(api)
    plan = Plan(
        host=address.hostname or "",
        port=address.port or 80,
        requests=requests,
        tag=secrets.token_hex(6),
        seconds=seconds,
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(plan.model_dump_json().encode())
    return Result.model_validate_json(answer)
