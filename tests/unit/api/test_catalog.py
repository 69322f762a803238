"""Reading the catalogue."""

import orjson
import pytest

from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from libs.ids import uuid7
from libs.web.pagination import InvalidCursor
from services.api.catalog.errors import ServiceNotFound
from services.api.catalog.schemas import ServiceQuery
from services.api.catalog.seed import Seed, services
from services.api.catalog.service import Catalog
from tests.unit.api.catalog import FakeServices, Setting


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


async def test_what_is_not_there_is_not_found_and_remembered(setting: Setting) -> None:
    unknown = uuid7()
    for _ in range(2):
        with pytest.raises(ServiceNotFound):
            await setting.catalog.get(unknown)
    assert setting.services.reads == 1


async def test_what_is_forgotten_is_read_again(setting: Setting) -> None:
    for _ in range(2):
        await setting.catalog.get(setting.some.id)
        await setting.catalog.page(ServiceQuery())
        await setting.catalog.forget(setting.some.id)
    assert setting.services.reads == 4


async def test_pages_follow_each_other_by_name(setting: Setting) -> None:
    names, cursor = list[str](), None
    while True:
        page = await setting.catalog.page(ServiceQuery(limit=7, cursor=cursor))
        shown = orjson.loads(page.body)
        names += [item["name"] for item in shown["items"]]
        cursor = shown["nextCursor"]
        assert page.next_cursor == cursor
        if cursor is None:
            break
    assert len(names) == len(setting.services.rows)
    assert names == sorted(names)


async def test_pages_are_kept_apart_by_what_was_asked(setting: Setting) -> None:
    active = orjson.loads((await setting.catalog.page(ServiceQuery(active=True, limit=100))).body)
    retired = orjson.loads((await setting.catalog.page(ServiceQuery(active=False))).body)
    workshops = orjson.loads((await setting.catalog.page(ServiceQuery(tag="workshop"))).body)
    assert all(item["active"] for item in active["items"])
    assert [item["slug"] for item in retired["items"]] == ["dedicated-server-hosting"]
    assert all("workshop" in item["tags"] for item in workshops["items"])
    assert workshops["items"]


async def test_a_cursor_of_other_filters_is_refused(setting: Setting) -> None:
    page = await setting.catalog.page(ServiceQuery(limit=1, category="security"))
    with pytest.raises(InvalidCursor):
        await setting.catalog.page(ServiceQuery(limit=1, cursor=page.next_cursor))


async def test_a_list_goes_on_without_what_is_broken(setting: Setting) -> None:
    """Also if that is the last of a page, which the cursor is made of."""
    ordered = sorted(setting.services.live, key=lambda s: (s.name, s.id))
    setting.services.broken = {ordered[2].id}
    first = await setting.catalog.page(ServiceQuery(limit=3))
    second = await setting.catalog.page(ServiceQuery(limit=3, cursor=first.next_cursor))
    shown = [item["name"] for page in (first, second) for item in orjson.loads(page.body)["items"]]
    assert shown == [service.name for service in ordered[:6] if service is not ordered[2]]


async def test_offers_are_what_can_be_ordered(setting: Setting) -> None:
    unknown = uuid7()
    offers = await setting.catalog.offers([setting.some.id, unknown, setting.some.id])
    offer = offers.pop(setting.some.id)
    assert offers == {}
    assert (offer.price, offer.currency) == (setting.some.price.amount, "EUR")


async def test_seeding_adds_what_is_missing_and_nothing_else() -> None:
    fake = FakeServices()
    cache = Cache(MemoryStore(), namespace="seed")
    catalog = Catalog(fake, cache, item_ttl_s=60, page_ttl_s=60, cursor_key=b"key")
    assert orjson.loads((await catalog.page(ServiceQuery())).body)["items"] == []
    await Seed(catalog)({})
    assert orjson.loads((await catalog.page(ServiceQuery())).body)["items"]
    changed = next(iter(fake.rows.values())).model_copy(update={"version": 2})
    fake.rows[changed.id] = changed
    await Seed(catalog)({})
    assert fake.rows[changed.id] is changed
    assert len(fake.rows) == len(services())
