"""The module `api` in a process of its own: real databases and cache, a broker in memory, and an
issuer of tokens that is ours."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from libs.config import load
from libs.context import new_context_id
from libs.contracts.auth import UserCreated
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.events.kafka import KafkaBus
from libs.events.memory import MemoryBus
from libs.events.settings import EventSettings
from libs.http.client import HttpClient
from libs.http.settings import HttpClientSettings
from libs.ids import uuid7
from libs.module import R, Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from libs.web.routing import MERGE_PATCH
from services.api.module import MODULE
from tests.events import envelope_of

KID: Final = "test"
EUR_DAY: Final = UUID("01a20e29-7752-7542-9101-25b9c39240c5")
"""A demo service: 1250.00 EUR."""
EUR_GIB: Final = UUID("01a20e29-773c-7429-8a76-5670635a2c45")
"""A demo service: 0.09 EUR."""
RETIRED: Final = UUID("01a20e29-775c-7603-8155-8382395d8f15")
"""A demo service that cannot be ordered."""


class Issuer:
    """Issues access tokens as the module `auth` does, and publishes their key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, subject: str, *, roles: tuple[str, ...], name: str, country: str) -> str:
        now = int(time.time())
        claims = {
            "iss": "throughline",
            "aud": "throughline",
            "sub": subject,
            "iat": now,
            "exp": now + 3600,
            "jti": str(uuid7()),
            "roles": list(roles),
            "name": name,
            "country": country,
            "rev": 1,
        }
        headers = {"kid": KID, "typ": "at+jwt"}
        return jwt.encode(claims, self._key, algorithm="ES256", headers=headers)

    def answer(self, _: httpx.Request) -> httpx.Response:
        """The published key, whatever is asked."""
        key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return httpx.Response(200, json={"keys": [{**key, "kid": KID, "alg": "ES256"}]})


class LocalBus(MemoryBus):
    """The broker in memory, as a process shares one."""

    def configure(self, settings: EventSettings) -> None:
        """There is nothing to say."""

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to close."""

    def events(self, topic: str) -> list[Envelope]:
        """What was published to a topic."""
        return [Envelope.from_record(record) for record in self.records(topic)]

    async def tell(self, event: Event, *, event_id: UUID | None = None) -> Envelope:
        """Publish an event as its module would."""
        attributes = {"context_id": new_context_id(), "actor": "service:test"}
        envelope = envelope_of(event, id=event_id or uuid7(), **attributes)
        await self.ensure_topics([event.topic])
        await self.publish([envelope.to_message()])
        return envelope


class LocalRuntime(Runtime):
    """A process whose broker is in memory, and whose tokens come from `issuer`."""

    def __init__(self, registry: Registry, environ: Mapping[str, str]) -> None:
        self.bus = LocalBus()
        self.issuer = Issuer()
        super().__init__(registry, load(environ, HostSettings, registry), version="0.0.0")

    def share(self, kind: type[R]) -> R:
        return cast("R", self.bus) if kind is KafkaBus else super().share(kind)

    def peer(self, name: str) -> HttpClient:
        if name not in self._peers:
            transport = httpx.MockTransport(self.issuer.answer)
            self._peers[name] = HttpClient(name, "http://auth", HttpClientSettings(), transport)
        return self._peers[name]


@dataclass(frozen=True)
class User:
    """Somebody with a token."""

    id: UUID
    headers: Mapping[str, str]

    def created(self, **changes: Any) -> UserCreated:
        """The event that tells of them."""
        values = {"display_name": "Ada", "country": "DE", "roles": ("customer",), "revision": 1}
        return UserCreated.model_validate({"user_id": self.id, **values, **changes})


@dataclass
class System:
    """A running process.

    Attributes:
        http: calls it as a client would.
        database: a connection of the test's own, as the module's role.
    """

    runtime: LocalRuntime
    http: httpx.AsyncClient
    database: asyncpg.Connection

    @property
    def bus(self) -> LocalBus:
        return self.runtime.bus

    def user(self, *roles: str, country: str = "DE") -> User:
        """Somebody new; a customer unless said otherwise."""
        user_id = uuid7()
        token = self.runtime.issuer.token(
            str(user_id), roles=roles or ("customer",), name="Ada", country=country
        )
        return User(user_id, {"Authorization": f"Bearer {token}"})

    async def place(
        self, user: User, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """Ask for an order."""
        headers = {**user.headers, "Idempotency-Key": key or str(uuid7())}
        return await self.http.post("/v1/orders", json=body or order_of(EUR_DAY), headers=headers)

    async def get(self, user: User, path: str, **params: str | int) -> httpx.Response:
        return await self.http.get(path, params=params or None, headers=user.headers)

    async def change(
        self, user: User, path: str, body: object, *, version: int | None = None
    ) -> httpx.Response:
        """Send a merge patch."""
        headers = {**user.headers, **if_match(version), "Content-Type": MERGE_PATCH}
        return await self.http.patch(path, content=orjson.dumps(body), headers=headers)

    async def cancel(self, user: User, path: str, **headers: str) -> httpx.Response:
        """Cancel an order; headers with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"{path}/cancel", headers={**user.headers, **named})

    async def delete(self, user: User, path: str, *, version: int | None = None) -> httpx.Response:
        return await self.http.delete(path, headers={**user.headers, **if_match(version)})

    async def events(self) -> list[str]:
        """The types of the events in the outbox, in order."""
        return [row["type"] for row in await self.rows("SELECT type FROM outbox ORDER BY seq")]

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """What the database says."""
        return [dict(row) for row in await self.database.fetch(sql, *args)]

    async def counts(self) -> dict[str, int]:
        """How many rows the tables have that an order is written to."""
        tables = ("customers", "orders", "order_lines", "outbox", "idempotency_keys")
        return {t: await self.database.fetchval(f"SELECT count(*) FROM {t}") for t in tables}  # noqa: S608


def if_match(version: int | None) -> dict[str, str]:
    """The header that names the version a change is meant for; none, if there is none."""
    return {} if version is None else {"If-Match": f'"{version}"'}


def order_of(*service_ids: UUID, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """A request for an order."""
    lines = [{"serviceId": str(service), "quantity": quantity} for service in service_ids]
    return {"currency": "EUR", "lines": lines, **more}


def json(response: httpx.Response) -> Any:
    return orjson.loads(response.content)


@asynccontextmanager
async def started(
    environ: Mapping[str, str], database: asyncpg.Connection, *, tasks: bool
) -> AsyncIterator[System]:
    """A process with the demo data.

    Args:
        tasks: whether its relay and consumer run.
    """
    runtime = LocalRuntime(Registry((MODULE,)), environ)
    async with runtime.running() if tasks else runtime.opened():
        wired = runtime.wired["api"]
        assert wired.prepare is not None
        assert wired.seed is not None
        await wired.prepare()
        await wired.seed({})
        transport = httpx.ASGITransport(cast(Any, runtime.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield System(runtime, http, database)
