"""Changing the catalogue."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from libs.db.idempotency import KeyReused
from libs.errors import InvalidInput, PreconditionFailed, Unavailable
from libs.ids import uuid7
from services.api.catalog.config import MAX_BYTES
from services.api.catalog.documents import Service
from services.api.catalog.errors import ServiceNotFound, SlugTaken
from services.api.catalog.merge import merged
from services.api.catalog.schemas import ServiceContent, ServicePatch, content
from tests.unit.api.catalog import ANY, CONTENT, Setting, of_version


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def _made(setting: Setting, **changes: Any) -> Service:
    made = await setting.create(**changes)
    return setting.services.rows[UUID(made.body.decode())]


async def _patch(setting: Setting, service: Service, patch: dict[str, Any]) -> Service:
    wanted = ServicePatch.model_validate(patch)
    return await setting.editor.patch("editor", service.id, wanted, of_version(service.version))


async def test_a_new_service_says_who_made_it(setting: Setting) -> None:
    service = await _made(setting)
    assert (service.created_by, service.updated_by, service.version) == ("admin", "admin", 1)
    assert content(service) == {"description": "", "active": True, **CONTENT}
    (event,) = setting.events.told
    assert (event.service_id, event.change, event.revision) == (service.id, "created", 1)


async def test_a_patch_changes_what_it_names(setting: Setting) -> None:
    service = await _made(setting)
    patch = {"price": {"amount": "13"}, "config": {"unit": None, "terms": {"fee": 40}}}
    changed = await _patch(setting, service, patch)
    assert content(changed) == {
        **content(service),
        "price": {"amount": "13.00", "currency": "EUR"},
        "config": {"terms": {"days": 3, "fee": 40}},
    }
    assert (changed.version, changed.updated_by, changed.created_by) == (2, "editor", "admin")
    assert [event.change for event in setting.events.told] == ["created", "updated"]


async def test_what_changes_nothing_is_not_written(setting: Setting) -> None:
    service = await _made(setting)
    assert (await _patch(setting, service, {})).version == 1
    assert (await _patch(setting, service, {"tags": ["remote", "remote"]})).version == 1
    assert len(setting.events.told) == 1


async def test_to_replace_is_to_say_everything(setting: Setting) -> None:
    service = await _made(setting)
    wanted = ServiceContent.model_validate(
        {n: CONTENT[n] for n in ("slug", "name", "category", "price")}
    )
    replaced = await setting.editor.replace("editor", service.id, wanted, of_version(1))
    assert (replaced.tags, replaced.config, replaced.version) == ([], {}, 2)


async def test_what_is_deleted_is_gone_and_its_slug_is_free(setting: Setting) -> None:
    service = await _made(setting)
    await setting.editor.delete("editor", service.id, of_version(1))
    with pytest.raises(ServiceNotFound):
        await setting.catalog.get(service.id)
    with pytest.raises(ServiceNotFound):
        await setting.editor.delete("editor", service.id, ANY)
    assert (await _made(setting)).id != service.id
    assert [event.change for event in setting.events.told] == ["created", "deleted", "created"]


async def test_a_slug_is_one_services(setting: Setting) -> None:
    service = await _made(setting)
    with pytest.raises(SlugTaken):
        await _made(setting)
    with pytest.raises(SlugTaken):
        await _patch(setting, service, {"slug": setting.some.slug})


async def test_a_stale_version_is_refused(setting: Setting) -> None:
    service = await _made(setting)
    await _patch(setting, service, {"name": "B"})
    with pytest.raises(PreconditionFailed):
        await _patch(setting, service, {"name": "C"})
    with pytest.raises(PreconditionFailed):
        await setting.editor.delete("editor", service.id, of_version(1))


async def test_the_slower_of_two_is_refused(setting: Setting) -> None:
    service = await _made(setting)
    setting.services.racing = [service.id]
    with pytest.raises(PreconditionFailed):
        await _patch(setting, service, {"name": "B"})


async def test_what_is_meant_for_any_version_is_made_anew(setting: Setting) -> None:
    service = await _made(setting)
    setting.services.racing = [service.id, service.id]
    patch = ServicePatch.model_validate({"name": "B"})
    changed = await setting.editor.patch("editor", service.id, patch, ANY)
    assert (changed.name, changed.version) == ("B", 4)


async def test_the_writer_reads_what_it_wrote(setting: Setting) -> None:
    service = await _made(setting)
    await setting.catalog.get(service.id)
    await _patch(setting, service, {"name": "B"})
    assert orjson.loads((await setting.catalog.get(service.id)).body)["name"] == "B"


async def test_after_a_failure_nothing_cached_is_believed(setting: Setting) -> None:
    """The write may have reached the database all the same."""
    await setting.catalog.get(setting.some.id)
    setting.services.down = True
    with pytest.raises(Unavailable):
        await _patch(setting, setting.some, {"name": "B"})
    reads = setting.services.reads
    await setting.catalog.get(setting.some.id)
    assert setting.services.reads == reads + 1


async def test_a_change_stands_when_its_event_cannot_be_moved(setting: Setting) -> None:
    service = await _made(setting)
    setting.events.down = True
    changed = await _patch(setting, service, {"name": "B"})
    assert setting.services.rows[service.id] == changed
    assert len(setting.services.waiting[service.id]) == 1
    setting.events.down = False
    await _patch(setting, changed, {"name": "C"})
    assert [event.revision for event in setting.events.told] == [1, 2, 3], "in their order"
    assert setting.services.waiting[service.id] == []


class TestIdempotencyKey:
    async def test_the_same_request_has_one_effect(self, setting: Setting) -> None:
        first = await setting.create(key="k")
        second = await setting.create(key="k")
        assert (second.body, second.replayed, first.replayed) == (first.body, True, False)
        assert len(setting.events.told) == 1

    async def test_another_request_is_refused(self, setting: Setting) -> None:
        await setting.create(key="k")
        with pytest.raises(KeyReused):
            await setting.create(key="k", name="B")

    async def test_the_document_answers_while_the_key_is_not_stored(self, setting: Setting) -> None:
        setting.events.down = True
        first = await setting.create(key="k")
        with pytest.raises(KeyReused):
            await setting.create(key="k", name="B")
        again = await setting.create(key="k")
        assert (again.body, again.replayed) == (first.body, True)
        setting.events.down = False
        moved = await setting.create(key="k")
        assert (moved.body, moved.replayed) == (first.body, True)
        assert len(setting.events.told) == len(setting.keys.rows) == 1

    async def test_what_was_created_may_have_changed_since(self, setting: Setting) -> None:
        setting.events.down = True
        first = await setting.create(key="k")
        service = setting.services.rows[UUID(first.body.decode())]
        await _patch(setting, service, {"name": "B"})
        assert (await setting.create(key="k")).body == first.body

    async def test_a_key_whose_answer_is_gone_is_free(self, setting: Setting) -> None:
        first = await setting.create(key="k")
        setting.keys.rows.clear()
        with pytest.raises(SlugTaken):
            await setting.create(key="k")
        service_id = UUID(first.body.decode())
        await setting.editor.delete("admin", service_id, ANY)
        assert (await setting.create(key="k")).body != first.body

    async def test_a_slug_that_is_taken_is_no_repetition(self, setting: Setting) -> None:
        with pytest.raises(SlugTaken):
            await setting.create(key="k", slug=setting.some.slug)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # appendix A of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


async def test_what_is_merged_is_within_bounds_too(setting: Setting) -> None:
    half = "x" * (MAX_BYTES // 2)
    service = await _made(setting, config={"a": half})
    with pytest.raises(InvalidInput) as raised:
        await _patch(setting, service, {"config": {"b": half}})
    assert [(e.pointer, e.code) for e in raised.value.errors] == [("/config", "too_large")]


async def test_nobody_changes_what_is_not_there(setting: Setting) -> None:
    with pytest.raises(ServiceNotFound):
        await setting.editor.delete("admin", uuid7(), ANY)
