from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from bson import Decimal128
from pydantic import ValidationError

from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.ids import uuid7
from libs.web.pagination import InvalidCursor
from services.api.catalog.documents import Service, from_document, to_document
from services.api.catalog.errors import ServiceNotFound
from services.api.catalog.schemas import ServiceQuery
from services.api.catalog.seed import Seed, services
from services.api.catalog.service import Catalog
from tests.unit.api.fakes import FakeServices

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Setting:
    """The catalogue of the demo data, with a cache in memory."""

    def __init__(self) -> None:
        self.services = FakeServices(services())
        self.store = MemoryStore()
        cache = Cache(self.store, namespace="unit_services")
        self.catalog = Catalog(self.services, cache, item_ttl_s=60, page_ttl_s=60)
        self.some = next(iter(self.services.rows.values()))


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_a_second_read_comes_from_the_cache(setting: Setting) -> None:
    first = await setting.catalog.get(setting.some.id)
    assert await setting.catalog.get(setting.some.id) == first
    assert setting.services.reads == 1
    assert (first.version, orjson.loads(first.body)["slug"]) == (1, setting.some.slug)


async def test_without_the_cache_it_is_read_each_time(setting: Setting) -> None:
    setting.store.gone = True
    for _ in range(2):
        assert (await setting.catalog.get(setting.some.id)).version == 1
    assert setting.services.reads == 2


async def test_what_is_not_there_is_not_found(setting: Setting) -> None:
    with pytest.raises(ServiceNotFound):
        await setting.catalog.get(uuid7())


async def test_pages_follow_each_other_by_name(setting: Setting) -> None:
    names, cursor = list[str](), None
    while True:
        page = orjson.loads(await setting.catalog.page(ServiceQuery(limit=7, cursor=cursor)))
        names += [item["name"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(names) == len(setting.services.rows)
    assert names == sorted(names)


async def test_pages_are_kept_apart_by_what_was_asked(setting: Setting) -> None:
    active = orjson.loads(await setting.catalog.page(ServiceQuery(active=True, limit=100)))
    retired = orjson.loads(await setting.catalog.page(ServiceQuery(active=False, limit=100)))
    assert all(item["active"] for item in active["items"])
    assert [item["slug"] for item in retired["items"]] == ["dedicated-server-hosting"]


async def test_a_cursor_of_other_filters_is_refused(setting: Setting) -> None:
    page = orjson.loads(await setting.catalog.page(ServiceQuery(limit=1, category="security")))
    with pytest.raises(InvalidCursor):
        await setting.catalog.page(ServiceQuery(limit=1, cursor=page["nextCursor"]))


async def test_offers_are_what_can_be_ordered(setting: Setting) -> None:
    unknown = uuid7()
    offers = await setting.catalog.offers([setting.some.id, unknown, setting.some.id])
    offer = offers.pop(setting.some.id)
    assert offers == {}
    assert (offer.price, offer.currency) == (setting.some.price.amount, "EUR")


async def test_seeding_adds_what_is_missing_and_nothing_else() -> None:
    fake = FakeServices()
    catalog = Catalog(fake, Cache(MemoryStore(), namespace="seed"), item_ttl_s=1, page_ttl_s=1)
    await Seed(catalog)({})
    changed = next(iter(fake.rows.values())).model_copy(update={"version": 2})
    fake.rows[changed.id] = changed
    await Seed(catalog)({})
    assert fake.rows[changed.id] is changed
    assert len(fake.rows) == len(services())


def _service(**changes: object) -> Service:
    values: dict[str, object] = {
        "id": UUID("01a20e29-7710-734e-a0ce-100a3f88a516"),
        "slug": "a-b",
        "name": "A",
        "category": "c",
        "description": "d",
        "price": {"amount": "12.50", "currency": "EUR"},
        "config": {"unit": "day", "nested": [{"n": 1}]},
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Service.model_validate(values | changes)


def test_a_document_gives_its_service_back() -> None:
    service = _service()
    document = to_document(service)
    assert document["price"]["amount"] == Decimal128("12.50")
    assert from_document(document) == service


def test_a_document_of_an_unknown_form_is_refused() -> None:
    document = to_document(_service()) | {"schema_version": 99}
    with pytest.raises(ValueError, match="schema version 99"):
        from_document(document)


@pytest.mark.parametrize("amount", [12.5, "-1.00", "1.005", "1000000000.01"])
def test_a_price_is_an_amount_of_money(amount: object) -> None:
    with pytest.raises(ValidationError):
        _service(price={"amount": amount, "currency": "EUR"})


def test_a_service_is_answered_with_its_price_in_text() -> None:
    shown = orjson.loads(_service(price={"amount": Decimal(3), "currency": "EUR"}).to_json())
    assert shown["price"] == {"amount": "3.00", "currency": "EUR"}
    assert "schemaVersion" not in shown
