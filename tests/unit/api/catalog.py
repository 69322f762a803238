"""The use cases of the catalogue, with everything around them made up."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.contracts.api import ServiceChanged
from libs.db.idempotency import Answer, Scope
from libs.documents.outbox import Waiting, mark_of
from libs.errors import Unavailable
from libs.web.conditional import Precondition
from services.api.catalog.documents import Service
from services.api.catalog.editor import Editor
from services.api.catalog.errors import SlugTaken
from services.api.catalog.repository import FIELDS, Held, Made, Position
from services.api.catalog.schemas import ServiceContent
from services.api.catalog.seed import services
from services.api.catalog.service import Catalog
from tests.unit.api.fakes import FakeKeys

CONTENT: dict[str, Any] = {
    "slug": "a-day",
    "name": "A day",
    "category": "advisory",
    "price": {"amount": "12.50", "currency": "EUR"},
    "tags": ["remote"],
    "config": {"unit": "day", "terms": {"days": 3, "fee": 50}},
}
ANY = Precondition()


def of_version(version: int) -> Precondition:
    return Precondition(frozenset({f'"{version}"'}))


class FakeServices:
    """Services in a dictionary, with the events that wait in them; counts how often it is read.

    Attributes:
        broken: the ids of services that a list cannot read.
        racing: versions that others write just before the next updates do.
    """

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self.rows = {service.id: service for service in services}
        self.waiting: dict[UUID, list[Waiting]] = {}
        self.marks: dict[bytes, tuple[UUID, bytes]] = {}
        self.broken: set[UUID] = set()
        self.racing: list[UUID] = []
        self.reads = 0
        self.down = False

    @property
    def live(self) -> list[Service]:
        return [service for service in self.rows.values() if service.deleted_at is None]

    async def find(self, service_id: UUID) -> Held | None:
        self.reads += 1
        service = self.rows.get(service_id)
        if service is None or service.deleted_at is not None:
            return None
        return Held(service, tuple(self.waiting.get(service_id, ())))

    async def page(
        self, filters: Mapping[str, Any], *, after: Position | None, limit: int
    ) -> Sequence[tuple[Position, Service | None]]:
        self.reads += 1
        found = sorted(self.live, key=lambda s: (s.name, s.id))
        return [
            ((service.name, service.id), None if service.id in self.broken else service)
            for service in found
            if all(_has(service, FIELDS[name], value) for name, value in filters.items())
            and (after is None or (service.name, service.id) > after)
        ][:limit]

    async def add(self, service: Service, event: Waiting) -> None:
        if self.down:
            raise Unavailable
        mark = None if event.keyed is None else event.keyed.mark
        if mark is not None and mark["key"] in self.marks:
            raise SlugTaken
        self._refuse_slug_of_another(service)
        if mark is not None:
            self.marks[mark["key"]] = (service.id, mark["fingerprint"])
        self._put(service, event)

    async def update(self, service: Service, event: Waiting) -> bool:
        if self.down:
            raise Unavailable
        now = self.rows[service.id]
        if self.racing:
            del self.racing[0]
            self.rows[service.id] = now.model_copy(update={"version": now.version + 1})
            return False
        if now.deleted_at is not None or now.version != service.version - 1:
            return False
        self._refuse_slug_of_another(service)
        self._put(service, event)
        return True

    async def made_by(self, scope: Scope) -> Made | None:
        if (mark := self.marks.get(mark_of(scope))) is None:
            return None
        service_id, fingerprint = mark
        return Made(service_id, fingerprint, tuple(self.waiting.get(service_id, ())))

    async def forget_key(self, scope: Scope) -> None:
        self.marks.pop(mark_of(scope), None)

    async def add_missing(self, services: Iterable[Service]) -> list[UUID]:
        new = [service for service in services if service.id not in self.rows]
        self.rows |= {service.id: service for service in new}
        return [service.id for service in new]

    def _put(self, service: Service, event: Waiting) -> None:
        self.rows[service.id] = service
        self.waiting.setdefault(service.id, []).append(event)

    def _refuse_slug_of_another(self, service: Service) -> None:
        if any(other.slug == service.slug and other.id != service.id for other in self.live):
            raise SlugTaken


def _has(service: Service, field: str, value: object) -> bool:
    found = getattr(service, field)
    return value in found if isinstance(found, list) else bool(found == value)


class FakeEvents:
    """Takes events out of the services that they wait in, and keeps the answers with their keys.

    Attributes:
        down: whether it fails instead.
    """

    source = "/throughline/api"

    def __init__(self, services: FakeServices, keys: FakeKeys) -> None:
        self._services = services
        self._keys = keys
        self.moved: dict[UUID, Waiting] = {}
        self.down = False

    @property
    def told(self) -> list[ServiceChanged]:
        return [ServiceChanged.from_json(each.event.data) for each in self.moved.values()]

    async def forward(self, document_id: UUID, events: Sequence[Waiting]) -> None:
        if self.down:
            raise Unavailable
        for each in events:
            if each.event.id not in self.moved and (keyed := each.keyed) is not None:
                self._keys.rows[keyed.scope] = (keyed.fingerprint, keyed.answer)
            self.moved.setdefault(each.event.id, each)
        left = [each for each in self._services.waiting[document_id] if each not in events]
        self._services.waiting[document_id] = left


class Setting:
    """The catalogue of the demo data, with a cache in memory."""

    def __init__(self) -> None:
        self.services = FakeServices(services())
        self.store = MemoryStore()
        self.keys = FakeKeys()
        self.events = FakeEvents(self.services, self.keys)
        self.catalog = Catalog(
            self.services,
            Cache(self.store, namespace="unit_services"),
            item_ttl_s=60,
            page_ttl_s=60,
            cursor_key=b"key",
        )
        self.editor = Editor(
            self.services, events=self.events, keys=self.keys, catalog=self.catalog
        )
        self.some = next(iter(self.services.rows.values()))

    async def create(self, key: str | None = None, **changes: Any) -> Answer:
        wanted = ServiceContent.model_validate(CONTENT | changes)
        return await self.editor.create("admin", wanted, key=key, answer=answer)


def answer(service: Service) -> Answer:
    """What is said of a new service."""
    return Answer(status=201, body=str(service.id).encode())
