"""What differs between the peers' contract and ours, translated in front of our application.

    GET /health/live         the word for "alive" is another
    GET /v1/services/{id}    asked without a token: those of the users are put in, in turn
    /v1/orders               the driver's token is exchanged for ours; an order has fewer fields
    POST /v1/orders          409, still in flight: asked again, as our clients do
    any                      those of helmet's headers that ours does not send

A line of an order has no id with us: its position in the order stands for one.
"""

import asyncio
from collections.abc import Mapping
from itertools import cycle
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.bench.peer.tokens import TokenExchange

ORDERS: Final = "/v1/orders"
SERVICES: Final = "/v1/services/"
LIVE: Final = "/health/live"
KEYS: Final = "/.well-known/jwks.json"

MORE_HEADERS: Final = (
    (b"origin-agent-cluster", b"?1"),
    (b"x-dns-prefetch-control", b"off"),
    (b"x-download-options", b"noopen"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"x-xss-protection", b"0"),
)
PAUSE_S: Final = 0.01
"""Before asking again while the first request with the same idempotency key is in flight."""


class Adapter:
    """The application, as the driver of the comparison wants it."""

    def __init__(self, app: ASGIApp, tokens: TokenExchange) -> None:
        self._app = app
        self._tokens = tokens
        self._visitors = cycle([(b"authorization", header) for header in tokens.headers])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith(SERVICES):
            scope["headers"].append(next(self._visitors))
            await self._app(scope, receive, _Answer(send))
        elif path == ORDERS:
            scope["headers"] = [
                (name, self._tokens.exchanged(value)) if name == b"authorization" else (name, value)
                for name, value in scope["headers"]
            ]
            if scope["method"] == "POST":
                await self._place(scope, receive, send)
            else:
                await self._app(scope, receive, _Orders(send))
        elif path == LIVE:
            await self._app(scope, receive, _Live(send))
        elif path == KEYS:
            await _Answer(send).whole(self._tokens.key_set)
        else:
            await self._app(scope, receive, send)

    async def _place(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Once, and again for as long as the answer is 409."""
        recorder = _Recorder(receive)
        while True:
            answer = _Order(send)
            await self._app({**scope}, recorder, answer)
            if answer.status != 409:
                return
            await asyncio.sleep(PAUSE_S)
            recorder.rewind()


class _Recorder:
    """`receive`, which can be read from the start again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []
        self._again: list[Message] = []

    def rewind(self) -> None:
        self._again = [*self._read]

    async def __call__(self) -> Message:
        if self._again:
            return self._again.pop(0)
        message = await self._receive()
        self._read.append(message)
        return message


class _Answer:
    """`send`, with more headers."""

    status = 0

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"].extend(MORE_HEADERS)
        await self._send(message)

    async def whole(self, body: bytes) -> None:
        """A complete answer, in JSON."""
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await self({"type": "http.response.start", "status": 200, "headers": headers})
        await self({"type": "http.response.body", "body": body})


class _Translated(_Answer):
    """`send`, with a successful answer's body translated."""

    _start: Message

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start, self.status = message, message["status"]
            return
        if self.status == 409:
            return
        body = message["body"]
        if self.status < 300:
            body = orjson.dumps(self._translate(orjson.loads(body)))
        length = (b"content-length", str(len(body)).encode())
        given = self._start["headers"]
        headers = [length if name == b"content-length" else (name, value) for name, value in given]
        self._start["headers"] = [*headers, *MORE_HEADERS]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def _translate(self, answer: Any) -> Any:
        raise NotImplementedError


class _Live(_Translated):
    def _translate(self, answer: Any) -> Any:
        return {"status": "ok"} if answer == {"status": "up"} else answer


class _Order(_Translated):
    def _translate(self, answer: Any) -> Any:
        return translated(answer)


class _Orders(_Translated):
    def _translate(self, answer: Any) -> Any:
        return {"items": [translated(order) for order in answer["items"]]}


def translated(order: Mapping[str, Any]) -> dict[str, Any]:
    """An order in the peers' form."""
    order_id = order["id"]
    return {
        "id": order_id,
        "userId": order["customerId"],
        "status": order["status"],
        "currency": order["currency"],
        "createdAt": order["placedAt"],
        "lines": [
            {
                "id": f"{order_id}/{position}",
                "serviceId": line["serviceId"],
                "quantity": line["quantity"],
            }
            for position, line in enumerate(order["lines"], 1)
        ],
    }
