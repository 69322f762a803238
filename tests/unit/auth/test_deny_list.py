"""The deny list, and the verifier that looks into it."""

import time
from typing import Any

import pytest

from libs.auth.deny_list import DenyList, MemoryDenyStore
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.cache.settings import CacheSettings
from libs.errors import Unauthenticated, Unavailable
from services import registry
from tests.clock import Clock
from tests.unit.web.tokens import KEY, claims, sign


def _process(store: MemoryDenyStore, clock: Clock) -> DenyList:
    deny_list = DenyList()
    deny_list.configure(store, now=clock)
    return deny_list


async def test_others_know_when_they_have_looked() -> None:
    store, clock = MemoryDenyStore(), Clock()
    one, other = _process(store, clock), _process(store, clock)
    await one.deny({"session": clock() + 600})
    assert "session" in one
    assert "session" not in other
    await other.refresh()
    assert "session" in other
    assert None not in other


async def test_nothing_stays_longer_than_it_matters() -> None:
    store, clock = MemoryDenyStore(), Clock()
    one, other = _process(store, clock), _process(store, clock)
    await one.deny({"short": clock() + 5, "long": clock() + 600, "past": clock()})
    await other.refresh()
    clock.now += 5
    for deny_list in (one, other):
        await deny_list.refresh()
        assert [name in deny_list for name in ("short", "long", "past")] == [False, True, False]


async def test_what_the_store_does_not_take_it_is_told_later() -> None:
    store, clock = MemoryDenyStore(), Clock()
    one, other = _process(store, clock), _process(store, clock)
    store.failure = Unavailable("gone")
    with pytest.raises(Unavailable):
        await one.deny({"session": clock() + 600})
    assert "session" in one
    with pytest.raises(Unavailable):
        await one.refresh()
    assert "session" in one
    store.failure = None
    await one.refresh()
    await other.refresh()
    assert "session" in other


async def test_what_the_store_has_lost_it_is_told_again() -> None:
    store, clock = MemoryDenyStore(), Clock()
    one, new = _process(store, clock), _process(store, clock)
    await one.deny({"session": clock() + 600})
    store.denied.clear()
    await one.refresh()
    assert "session" in one
    await new.refresh()
    assert "session" in new


async def test_without_a_store_a_process_knows_what_it_has_done_itself() -> None:
    deny_list = DenyList()
    await deny_list.open()
    await deny_list.deny({"session": time.time() + 600})
    await deny_list.refresh()
    assert "session" in deny_list
    await deny_list.close()


async def test_a_token_of_a_session_that_has_ended_is_refused_though_it_is_remembered() -> None:
    deny_list = DenyList()

    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.public]}

    verifier = TokenVerifier(keys, TokenSettings(), denied=deny_list)
    token, other = sign(claims(sid="session")), sign(claims(sid="other"))
    of_service = sign(claims(sub="service:worker", roles=["service"]))
    assert (await verifier.verify(token)).session_id == "session"
    await deny_list.deny({"session": time.time() + 600})
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="session has ended"):
            await verifier.verify(token)
    assert await verifier.verify(other)
    assert await verifier.verify(of_service)


async def test_keys_are_looked_at_again_once_they_were_needed() -> None:
    published, asked = [KEY.public], 0

    async def keys() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"keys": list(published)}

    verifier = TokenVerifier(keys, TokenSettings())
    await verifier.refresh()
    assert asked == 0  # the issuer need not be there before somebody has a token
    token = sign(claims())
    await verifier.verify(token)
    await verifier.refresh()
    assert asked == 2
    assert await verifier.verify(token)
    published.clear()
    await verifier.refresh()
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


def test_every_module_has_the_redis_that_the_list_is_in() -> None:
    for module in registry.configured(registry.MODULES):
        groups = {info.annotation for info in module.settings.model_fields.values()}
        assert CacheSettings in groups, module.name
