import asyncio

import orjson
import pytest

from libs.contracts.auth import UserCreated
from libs.db.idempotency import Answer, KeyReused, Scope
from services.auth.users.errors import EmailTaken, InvalidPassword
from services.auth.users.schemas import NewUser
from tests.unit.auth.factories import PASSWORD, UserWorld, new_user, told

SCOPE = Scope(actor="anonymous", route="POST /v1/auth/signup", key="key")


async def test_a_user_is_created_and_told_of_in_one_unit_of_work() -> None:
    world = UserWorld()
    user = await world.registration.create(new_user(country="FR"))
    assert world.repository.users == {user.id: user}
    assert world.steps == ["open", "publish", "commit"]
    assert world.events == [
        UserCreated(
            user_id=user.id,
            revision=1,
            display_name="Ada Lovelace",
            country="FR",
            roles=("customer",),
        )
    ]
    assert user.hashed_password.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert (user.is_active, user.is_verified, user.is_superuser) == (True, False, False)


async def test_the_country_is_a_setting_for_those_who_name_none() -> None:
    assert (await UserWorld().create()).country == "DE"


async def test_an_address_has_one_account() -> None:
    world = UserWorld()
    await world.create()
    with pytest.raises(EmailTaken):
        await world.registration.create(new_user(email="  ADA@Example.com "))
    assert world.steps[-2:] == ["open", "roll back"]
    assert len(world.events) == 1


async def test_the_address_of_a_deleted_user_is_free_again() -> None:
    world = UserWorld()
    first = await world.create()
    await world.repository.delete(first)
    assert not await world.registration.exists("ada@example.com")
    assert (await world.create()).id != first.id


@pytest.mark.parametrize("password", ["short", "x" * 129, "Ada@example.com"])
async def test_a_password_follows_the_rules(password: str) -> None:
    world = UserWorld()
    with pytest.raises(InvalidPassword) as caught:
        await world.registration.create(new_user(password=password))
    assert [mistake.pointer for mistake in caught.value.errors] == ["/password"]
    assert password not in str(caught.value.errors)
    assert world.steps == []


@pytest.mark.parametrize("role", ["service", "king"])
def test_a_user_has_roles_that_are_for_users(role: str) -> None:
    with pytest.raises(ValueError, match="should be 'customer', 'support', 'auditor' or 'admin'"):
        new_user(roles=("customer", role))


def test_roles_have_no_order_and_none_counts_twice() -> None:
    user = new_user(roles=("customer", "admin", "customer"))
    assert user.roles == new_user(roles=("admin", "customer")).roles


async def _create(world: UserWorld, new: NewUser | None = None, scope: Scope = SCOPE) -> Answer:
    return await world.registration.create_once(new or new_user(), scope, told)


async def test_a_request_that_is_sent_again_is_answered_again_without_a_hash() -> None:
    world = UserWorld()
    first = await _create(world)
    again = await _create(world, new_user(email="ADA@example.com "))  # the same, once normalised
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert not first.replayed
    assert len(world.repository.users) == len(world.events) == 1
    assert world.passwords.calls == ["hash"]


@pytest.mark.parametrize(
    "change",
    [
        {"password": "correct Horse"},
        {"email": "eve@example.com"},
        {"country": "FR"},
        {"roles": ("admin",)},
    ],
)
async def test_a_key_is_for_one_request(change: dict[str, object]) -> None:
    world = UserWorld()
    await _create(world)
    with pytest.raises(KeyReused):
        await _create(world, new_user(**change))
    assert len(world.repository.users) == 1


async def test_what_is_kept_with_a_key_helps_nobody_to_guess_the_password() -> None:
    one, other = UserWorld(), UserWorld()
    other.registration._fingerprint_key = b"the secret of another installation"
    for world in (one, other):
        await _create(world)
    (fingerprint, answer), (elsewhere, _) = one.keys.rows[SCOPE], other.keys.rows[SCOPE]
    assert fingerprint != elsewhere
    kept = answer.body.decode()
    assert PASSWORD not in kept
    assert "hash" not in kept.lower()
    assert orjson.loads(kept)["email"] == "ada@example.com"


async def test_a_request_that_was_done_by_its_double_meanwhile_is_answered_like_it() -> None:
    """The double commits after our look at the key, and before our insert."""
    world, double = UserWorld(), UserWorld()
    double.repository, double.keys = world.repository, world.keys
    double.__post_init__()
    first = await _create(double)
    stored = world.keys.rows.pop(SCOPE)

    async def once(*_: object) -> Answer:
        world.keys.rows[SCOPE] = stored
        raise EmailTaken

    world.keys.once = once  # type: ignore[method-assign, assignment]
    assert (await _create(world)).body == first.body


async def test_without_a_key_the_address_is_taken() -> None:
    world = UserWorld()
    await world.create()
    with pytest.raises(EmailTaken):
        await world.registration.create_once(new_user(), None, told)
    with pytest.raises(EmailTaken):
        await _create(world)
    assert world.keys.rows == {}


async def test_many_at_once_are_one() -> None:
    world = UserWorld()
    answers = await asyncio.gather(*(_create(world) for _ in range(10)))
    assert {answer.body for answer in answers} == {answers[0].body}
    assert len(world.repository.users) == 1
