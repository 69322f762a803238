"""Reading the catalogue, cache first. What is cached is the answer's body, ready to be sent.

Single services are cached aside, each under its own key; the pages of the list are read through the
cache, as one group. A change makes the service's key and the whole group invalid: in the request
that made it, and again when its event arrives, for the case that the process died in between.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import orjson

from libs.cache.cache import Cache
from libs.web.pagination import Cursors, cut, render
from services.api.catalog.documents import Service
from services.api.catalog.errors import ServiceNotFound
from services.api.catalog.repository import Held, Position
from services.api.catalog.schemas import ServiceQuery, view

PAGES: Final = "pages"
"""The group of all cached pages."""

FORM: Final = 2
"""Of what is cached: a release that caches something else has another number."""

NEGATIVE_TTL_S: Final = 5.0
"""How long it is remembered that there is no service with an id."""

_ORDER: Final = "services by name"


class ServiceStore(Protocol):
    """What reading needs of `repository.ServiceRepository`."""

    async def find(self, service_id: UUID) -> Held | None: ...
    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> Sequence[tuple[Position, Service | None]]: ...
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


class StoredPage(NamedTuple):
    """A page of the list as it is cached.

    Attributes:
        next_cursor: gives the next one; None: it is the last.
        body: its JSON.
    """

    next_cursor: str | None
    body: bytes


class Catalog:
    """The catalogue of services.

    Args:
        services: where they are.
        cache: of both single services and pages.
        item_ttl_s: how long a service may be answered as it was, if all else fails.
        page_ttl_s: the same for a page of the list.
        cursor_key: what the cursors of the list are signed with.
    """

    def __init__(
        self,
        services: ServiceStore,
        cache: Cache,
        *,
        item_ttl_s: float,
        page_ttl_s: float,
        cursor_key: bytes,
    ) -> None:
        self._services = services
        self._cache = cache
        self._item_ttl_s = item_ttl_s
        self._page_ttl_s = page_ttl_s
        self._cursors: Cursors[Position] = Cursors(_ORDER, tuple[str, UUID], cursor_key)

    async def page(self, wanted: ServiceQuery) -> StoredPage:
        """A page of the list.

        Raises:
            InvalidCursor: the query's cursor is not one of this list.
        """
        filters = wanted.filters
        after = self._cursors.read(wanted.cursor, filters)
        asked = orjson.dumps([filters, wanted.limit, wanted.cursor], option=orjson.OPT_SORT_KEYS)
        key = f"page:{hashlib.sha256(asked).hexdigest()[:32]}"

        async def load() -> bytes:
            return await self._load_page(filters, after, wanted.limit)

        stored = await self._cache.get_or_load(key, load, self._page_ttl_s, group=PAGES)
        assert stored is not None  # noqa: S101 (there always is a page)
        cursor, _, body = stored.partition(b"\n")
        return StoredPage(cursor.decode() or None, body)

    async def get(self, service_id: UUID) -> Stored:
        """A service.

        Raises:
            ServiceNotFound: there is none with this id.
            ServiceUnreadable: its document is broken.
        """

        async def load() -> bytes | None:
            return await self._load(service_id)

        stored = await self._cache.get_or_load(
            _key(service_id), load, self._item_ttl_s, negative_ttl=NEGATIVE_TTL_S
        )
        if stored is None:
            raise ServiceNotFound
        version, _, body = stored.partition(b"\n")
        return Stored(int(version), body)

    async def offers(self, service_ids: Iterable[UUID]) -> dict[UUID, Offer]:
        """What these services are sold as; those that do not exist are left out."""
        wanted = list(dict.fromkeys(service_ids))
        offers = await asyncio.gather(*map(self._offer, wanted))
        return {key: offer for key, offer in zip(wanted, offers, strict=True) if offer is not None}

    async def forget(self, service_id: UUID) -> None:
        """Answer nothing any more that was known before a change of this service."""
        await asyncio.gather(
            self._cache.invalidate(_key(service_id)), self._cache.invalidate_group(PAGES)
        )

    async def add_missing(self, services: Iterable[Service]) -> int:
        """Add the services that are not there, and tell how many that were."""
        added = await self._services.add_missing(services)
        await asyncio.gather(*map(self.forget, added))
        return len(added)

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

    async def _load(self, service_id: UUID) -> bytes | None:
        held = await self._services.find(service_id)
        if held is None:
            return None
        service = held.service
        return b"%d\n%b" % (service.version, orjson.dumps(view(service)))

    async def _load_page(
        self, filters: Mapping[str, Any], after: Position | None, limit: int
    ) -> bytes:
        found, last = cut(await self._services.page(filters, after=after, limit=limit + 1), limit)
        cursor = None if last is None else self._cursors.write(last[0], filters)
        items = [view(service) for _, service in found if service is not None]
        return b"%b\n%b" % ((cursor or "").encode(), render(items, cursor))


def _key(service_id: UUID) -> str:
    return f"item:{service_id}"
