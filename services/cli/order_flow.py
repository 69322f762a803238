"""The business flow that crosses everything, as a client does it."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any

import httpx

from libs.context import CONTEXT_ID_HEADER, new_context_id

CONFIRM_TIMEOUT_S = 60.0


class FlowError(Exception):
    """The flow did not go as it should. The message is one line, for people."""


class OrderFlow:
    """Signs up, logs in, reads the catalogue, orders, and waits for the confirmation.

    Args:
        urls: where each module is; they may be the same.
        context_id: sent with every request but those that only wait.
    """

    def __init__(self, urls: Mapping[str, str], context_id: str) -> None:
        self._urls = urls
        self.context_id = context_id
        self._token = ""

    async def run(self) -> dict[str, Any]:
        """The confirmed order, as the API gives it.

        Raises:
            FlowError: a request failed, or the order was not confirmed in time.
        """
        email = f"demo-{secrets.token_hex(6)}@throughline.example"
        account = {"email": email, "password": secrets.token_urlsafe(16)}
        await self._call("auth", "POST", "/v1/auth/signup", {**account, "displayName": "Demo"})
        login = await self._call("auth", "POST", "/v1/auth/login", account)
        self._token = login["accessToken"]
        catalogue = await self._call("api", "GET", "/v1/services?active=true&limit=2")
        lines = [{"serviceId": s["id"], "quantity": n} for n, s in enumerate(catalogue["items"], 1)]
        order = await self._call(
            "api",
            "POST",
            "/v1/orders",
            {"currency": "EUR", "lines": lines, "note": "Placed by the demo"},
            {"Idempotency-Key": secrets.token_hex(12)},
        )
        await self._wait(order["id"])
        return await self._call("api", "GET", f"/v1/orders/{order['id']}")

    async def _wait(self, order_id: str) -> None:
        deadline = time.monotonic() + CONFIRM_TIMEOUT_S
        other = {CONTEXT_ID_HEADER: new_context_id()}
        status = "?"
        while time.monotonic() < deadline:
            order = await self._call("api", "GET", f"/v1/orders/{order_id}", None, other)
            status = order["status"]
            if status == "CONFIRMED":
                return
            await asyncio.sleep(0.05)
        raise FlowError(f"order {order_id} is still {status} after {CONFIRM_TIMEOUT_S:.0f} s")

    async def _call(
        self,
        module: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        sent = {CONTEXT_ID_HEADER: self.context_id, **(headers or {})}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            async with httpx.AsyncClient(
                base_url=self._urls[module], timeout=30, trust_env=False
            ) as client:
                answer = await client.request(method, path, json=body, headers=sent)
        except httpx.HTTPError as error:
            raise FlowError(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code >= 400:
            raise FlowError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        if answer.headers.get(CONTEXT_ID_HEADER) != sent[CONTEXT_ID_HEADER]:
            raise FlowError(f"{method} {path} did not echo the contextId")
        answered: dict[str, Any] = answer.json()
        return answered
