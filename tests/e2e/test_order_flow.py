"""The business flow that crosses everything, in each topology."""

import asyncio
import re
from contextlib import suppress
from functools import partial

import httpx
import orjson

from libs.context import new_context_id
from services.cli import trace
from services.cli.order_flow import OrderFlow
from services.cli.stack import Stack
from tests.waiting import until


async def steps_of(stack: Stack, context_id: str) -> list[trace.Line]:
    """All steps of an order, once they are written."""

    def steps() -> list[trace.Line]:
        return trace.of_context(trace.read(stack.logs), context_id)

    with suppress(AssertionError):  # the one below says which step is missing
        await until(lambda: not trace.missing(steps()), what=f"the trace of {context_id}")
    assert [str(step) for step in trace.missing(steps())] == []
    return steps()


async def test_an_order_is_confirmed_and_every_step_carries_its_context(stack: Stack) -> None:
    flow = OrderFlow(stack.urls, new_context_id())

    order = await flow.run()

    assert order["status"] == "CONFIRMED"
    assert order["assessment"]["reportingTotal"]["currency"] == "USD"
    assert order["assessment"]["stale"] is True  # the third parties are not there
    assert order["version"] == 2
    steps = await steps_of(stack, flow.context_id)
    assert trace.strays(trace.read(stack.logs), steps, order["id"]) == []


async def test_many_orders_at_once_do_not_mix_their_contexts(stack: Stack) -> None:
    flows = [OrderFlow(stack.urls, new_context_id()) for _ in range(12)]

    orders = await asyncio.gather(*(flow.run() for flow in flows))

    assert {order["status"] for order in orders} == {"CONFIRMED"}
    for flow, order in zip(flows, orders, strict=True):
        steps = await steps_of(stack, flow.context_id)
        assert trace.strays(trace.read(stack.logs), steps, order["id"]) == []


async def test_what_is_secret_is_in_no_log(stack: Stack) -> None:
    password, email = "Tr0ub4dor-and-3-Horses", "planted.person@private.example"
    async with httpx.AsyncClient(base_url=stack.urls["auth"], timeout=30) as client:
        account = {"email": email, "password": password}
        signed_up = await client.post("/v1/auth/signup", json={**account, "displayName": "Planted"})
        assert signed_up.status_code == 201
        wrong = await client.post("/v1/auth/login", json={**account, "password": password + "!"})
        assert wrong.status_code == 401
        token = (await client.post("/v1/auth/login", json=account)).json()["accessToken"]
        for path in (f"/v1/users/me?token={token}", f"/nowhere/{email}?password={password}"):
            await client.get(path, headers={"Authorization": f"Bearer {token}"})
        malformed = await client.post(
            "/v1/auth/login", content=f'{{"email": "{email}", "password": "{password}'
        )
        assert malformed.status_code in (400, 415)
        last = new_context_id()
        await client.get("/v1/users/me", headers={"X-Context-Id": last})

    await until(lambda: trace.of_context(trace.read(stack.logs), last), what="the last request")
    written = b"".join(path.read_bytes() for path in stack.logs)
    secrets = orjson.loads((stack.data / "secrets.json").read_bytes())
    for secret in (password, email, token, *secrets.values()):
        assert secret.encode() not in written
    assert re.search(rb"eyJ[\w-]{10,}", written) is None  # no other token either


async def test_errors_are_problems_with_the_context_of_the_request(stack: Stack) -> None:
    context_id = new_context_id()
    async with httpx.AsyncClient(timeout=30, headers={"X-Context-Id": context_id}) as client:
        answers = [
            await client.get(f"{stack.urls['api']}/v1/orders"),
            await client.get(f"{stack.urls['api']}/nowhere"),
            await client.put(f"{stack.urls['auth']}/v1/auth/signup", json={}),
            await client.post(f"{stack.urls['auth']}/v1/auth/signup", json={"email": 1}),
            await client.post(f"{stack.urls['auth']}/v1/auth/signup", content=b"{}"),
        ]

    assert [answer.status_code for answer in answers] == [401, 404, 405, 422, 415]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-context-id"] == context_id
        assert answer.json()["contextId"] == context_id
        assert answer.json()["status"] == answer.status_code


async def _is_up(client: httpx.AsyncClient, url: str) -> bool:
    """Whether everything answers, what is informational too: consumers join their group late."""
    health = (await client.get(f"{url}/health")).json()
    return bool(health["status"] == "up")


async def test_every_process_says_what_it_is(stack: Stack) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        for module, url in stack.urls.items():
            meta = (await client.get(f"{url}/meta")).json()
            assert module in meta["modules"]
            ready = await client.get(f"{url}/health/ready")
            assert ready.status_code == 200
            await until(partial(_is_up, client, url), what=f"{module} to be up")
            assert "http_requests_total" in (await client.get(f"{url}/metrics")).text
            assert (await client.get(f"{url}/docs")).status_code == 200
