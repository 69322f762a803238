"""Reading the catalogue, cache first. What is cached is the answer's body, ready to be sent."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson

from libs.cache.cache import Cache
from libs.web.pagination import Cursors, cut, render
from services.api.catalog.documents import Service
from services.api.catalog.errors import ServiceNotFound
from services.api.catalog.repository import Position
from services.api.catalog.schemas import ServiceQuery

_CURSORS: Cursors[Position] = Cursors("services by name", tuple[str, UUID])


class ServiceStore(Protocol):
    """What the catalogue needs of `repository.ServiceRepository`."""

    async def find(self, service_id: UUID) -> Service | None: ...
    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> Sequence[Service]: ...
    async def add_missing(self, services: Iterable[Service]) -> list[UUID]: ...


class Offer(NamedTuple):
    """What a service is sold as, now."""

    name: str
    price: Decimal
    currency: str
    active: bool


class Stored(NamedTuple):
    """A service as it is cached.

    Attributes:
        version: of the service.
        body: its JSON.
    """

    version: int
    body: bytes


class Catalog:
    """The catalogue of services.

    Args:
        services: where they are.
        cache: of both single services and pages.
        item_ttl_s: how long a service may be answered as it was.
        page_ttl_s: the same for a page of the list.
    """

    def __init__(
        self, services: ServiceStore, cache: Cache, *, item_ttl_s: float, page_ttl_s: float
    ) -> None:
        self._services = services
        self._cache = cache
        self._item_ttl_s = item_ttl_s
        self._page_ttl_s = page_ttl_s

    async def page(self, query: ServiceQuery) -> bytes:
        """A page of the list, as JSON.

        Raises:
            InvalidCursor: the query's cursor is not one of this list.
        """
        after = _CURSORS.read(query.cursor, query.filters)
        asked = orjson.dumps(query.model_dump(), option=orjson.OPT_SORT_KEYS)
        key = f"page:{hashlib.sha256(asked).hexdigest()[:32]}"
        return await self._found(key, lambda: self._load_page(query, after), self._page_ttl_s)

    async def get(self, service_id: UUID) -> Stored:
        """A service.

        Raises:
            ServiceNotFound: there is none with this id.
        """
        key = _item_key(service_id)
        stored = await self._found(key, lambda: self._load_item(service_id), self._item_ttl_s)
        version, _, body = stored.partition(b"\n")
        return Stored(int(version), body)

    async def offers(self, service_ids: Iterable[UUID]) -> dict[UUID, Offer]:
        """What these services are sold as; those that do not exist are left out."""
        wanted = list(dict.fromkeys(service_ids))
        offers = await asyncio.gather(*map(self._offer, wanted))
        return {key: offer for key, offer in zip(wanted, offers, strict=True) if offer is not None}

    async def add_missing(self, services: Iterable[Service]) -> int:
        """Add the services that are not there, and tell how many that were."""
        return len(await self._services.add_missing(services))

    async def _offer(self, service_id: UUID) -> Offer | None:
        try:
            service = orjson.loads((await self.get(service_id)).body)
        except ServiceNotFound:
            return None
        price = service["price"]
        return Offer(
            name=service["name"],
            price=Decimal(price["amount"]),
            currency=price["currency"],
            active=service["active"],
        )

    async def _found(
        self, key: str, load: Callable[[], Awaitable[bytes | None]], ttl: float
    ) -> bytes:
        found = await self._cache.get_or_load(key, load, ttl)
        if found is None:
            raise ServiceNotFound
        return found

    async def _load_item(self, service_id: UUID) -> bytes | None:
        service = await self._services.find(service_id)
        return None if service is None else b"%d\n%b" % (service.version, service.to_json())

    async def _load_page(self, query: ServiceQuery, after: Position | None) -> bytes:
        found = await self._services.page(query.filters, after=after, limit=query.limit + 1)
        services, last = cut(found, query.limit)
        position = None if last is None else (last.name, last.id)
        cursor = None if position is None else _CURSORS.write(position, query.filters)
        return render([orjson.Fragment(service.to_json()) for service in services], cursor)


def _item_key(service_id: UUID) -> str:
    return f"item:{service_id}"
