"""Nobody finds out who has an account."""

import asyncio

import orjson
import pytest

from libs.contracts.auth import MessageKind, UserCreated
from libs.db.idempotency import Answer, KeyReused
from services.auth.users.errors import EmailTaken, InvalidPassword
from services.auth.users.models import User
from services.auth.users.service import NOBODY, SIGN_UP
from tests.unit.auth.account_factories import AccountWorld
from tests.unit.auth.factories import PASSWORD, new_user, told

IN_USE = MessageKind.EMAIL_IN_USE


async def _sign_up(world: AccountWorld, key: str | None = None, **given: object) -> Answer:
    return await world.users.sign_up(new_user(**given), key=key, answer=told)


async def test_a_known_address_is_answered_like_an_unknown_one() -> None:
    world = AccountWorld()
    first, second = await _sign_up(world), await _sign_up(world, email="ADA@example.com")
    shown, made_up = orjson.loads(first.body), orjson.loads(second.body)
    assert first.status == second.status == 201
    assert shown.keys() == made_up.keys()
    different = {name for name in shown if shown[name] != made_up[name]}
    assert different <= {"id", "createdAt", "updatedAt"}
    assert shown["id"] != made_up["id"]
    (user,) = world.repository.users.values()
    assert str(user.id) == shown["id"]


async def test_its_owner_is_told_and_nothing_changes() -> None:
    world = AccountWorld()
    await _sign_up(world)
    (user,) = world.repository.users.values()
    await _sign_up(world, password="another horse", display_name="Eve")
    assert [event.user_id for event in world.requested(IN_USE)] == [user.id]
    assert (user.display_name, user.version) == ("Ada Lovelace", 1)
    assert await world.logs_in(user, PASSWORD)
    assert not await world.logs_in(user, "another horse")
    assert len(world.of(UserCreated)) == 1


async def test_the_work_is_the_same() -> None:
    world = AccountWorld()
    await _sign_up(world)
    hashes, steps = list(world.passwords.calls), list(world.steps)
    world.passwords.calls.clear()
    world.steps.clear()
    await _sign_up(world)
    assert world.passwords.calls == hashes == ["hash"]
    assert [s for s in world.steps if s != "publish"] == [s for s in steps if s != "publish"]


async def test_a_password_that_breaks_a_rule_is_refused_for_both() -> None:
    world = AccountWorld()
    refusals = []
    for _ in range(2):
        with pytest.raises(InvalidPassword) as caught:
            await _sign_up(world, password="password1")
        refusals.append(caught.value.errors)
        await _sign_up(world)
    assert refusals[0] == refusals[1]


async def test_with_a_key_the_answer_is_the_same_again() -> None:
    world = AccountWorld()
    await _sign_up(world)
    one, two = await _sign_up(world, "key"), await _sign_up(world, "key")
    assert (two.body, two.replayed) == (one.body, True)
    assert len(world.requested(IN_USE)) == 1
    with pytest.raises(KeyReused):
        await _sign_up(world, "key", password="another horse")
    assert {(scope.actor, scope.route) for scope in world.keys.rows} == {(NOBODY, SIGN_UP)}


async def test_who_signs_up_at_the_same_time_is_answered_so_too() -> None:
    """Both find nobody, and one of them inserts."""
    world = AccountWorld()
    look, looks = world.repository.get_by_email, 0

    async def too_early(email: str) -> User | None:
        nonlocal looks
        looks += 1
        return None if looks == 1 else await look(email)

    await world.create()
    world.repository.get_by_email = too_early  # type: ignore[method-assign]
    create = world.repository.create

    async def taken(values: dict[str, object]) -> User:
        raise EmailTaken

    world.repository.create = taken  # type: ignore[method-assign, assignment]
    assert (await _sign_up(world)).status == 201
    world.repository.create = create  # type: ignore[method-assign]
    assert len(world.requested(IN_USE)) == 1
    assert len(world.repository.users) == 1


async def test_many_at_once_are_one() -> None:
    world = AccountWorld()
    answers = await asyncio.gather(*(_sign_up(world) for _ in range(10)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 10
    assert len(world.repository.users) == 1


async def test_an_unknown_address_costs_what_a_wrong_password_costs() -> None:
    world = AccountWorld()
    await world.create()
    world.passwords.calls.clear()
    for email in ("ada@example.com", "nobody@example.com"):
        assert await world.users.authenticate(email, "wrong horse") is None
    assert world.passwords.calls == ["verify", "verify"]


def test_the_hash_that_nobody_has_costs_what_the_others_cost() -> None:
    passwords = AccountWorld().passwords
    decoy = passwords._decoy.split("$")
    real = passwords.helper.hash(PASSWORD).split("$")
    assert decoy[:4] == real[:4]
    assert list(map(len, decoy)) == list(map(len, real))
