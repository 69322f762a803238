import orjson
import pytest

from libs.auth.permissions import ROLES
from libs.contracts.auth import UserUpdated
from libs.errors import PreconditionFailed
from libs.schema import timestamp
from libs.web.conditional import Precondition
from services.auth.settings import PasswordSettings
from services.auth.users.errors import AccountGone
from services.auth.users.models import User
from services.auth.users.schemas import USER_ROLES, ProfileChange
from tests.unit.auth.factories import CHEAP, PASSWORD, UserWorld, new_user, told

ANY = Precondition()


def version(number: int) -> Precondition:
    return Precondition(frozenset({f'"{number}"'}))


async def test_signing_up() -> None:
    world = UserWorld()
    answer = await world.users.sign_up(new_user(), key=None, answer=told)
    (user,) = world.repository.users.values()
    assert answer == told(user)
    assert world.keys.rows == {}


async def test_a_key_is_nobodys_in_particular() -> None:
    world = UserWorld()
    await world.users.sign_up(new_user(), key="key", answer=told)
    assert (await world.users.sign_up(new_user(), key="key", answer=told)).replayed
    (scope,) = world.keys.rows
    assert (scope.actor, scope.route) == ("anonymous", "POST /v1/auth/signup")


def test_the_roles_of_users_are_those_of_the_table_but_for_the_modules() -> None:
    assert {*USER_ROLES, "service"} == ROLES.keys()


async def test_the_right_password_authenticates() -> None:
    world = UserWorld()
    user = await world.create()
    assert await world.users.authenticate("ada@example.com", PASSWORD) is user
    assert user.version == 1


async def test_nothing_else_authenticates_and_all_of_it_costs_one_hash() -> None:
    world = UserWorld()
    user = await world.create()
    world.passwords.calls.clear()
    assert await world.users.authenticate("ada@example.com", "wrong horse") is None
    assert await world.users.authenticate("nobody@example.com", PASSWORD) is None
    user.is_active = False
    assert await world.users.authenticate("ada@example.com", PASSWORD) is None
    await world.repository.delete(user)
    assert await world.users.authenticate("ada@example.com", PASSWORD) is None
    assert world.passwords.calls == ["verify"] * 4


async def test_a_hash_of_other_parameters_is_renewed_when_its_owner_logs_in() -> None:
    before = UserWorld()
    user = await before.create()
    old, updated_at = user.hashed_password, user.updated_at
    dearer = PasswordSettings(memory_kib=128, iterations=1, parallelism=1, concurrency=1)
    after = UserWorld(dearer, before.repository)
    assert await after.users.authenticate("ada@example.com", "wrong horse") is None
    assert user.hashed_password == old
    assert await after.users.authenticate("ada@example.com", PASSWORD) is user
    assert "m=128," in user.hashed_password
    assert await after.users.authenticate("ada@example.com", PASSWORD) is user
    assert (user.version, user.updated_at) == (1, updated_at)  # nobody's ETag is stale for it


async def test_a_renewal_that_comes_too_late_does_not_matter() -> None:
    world = UserWorld()
    user = await world.create()
    user.hashed_password = await UserWorld(
        CHEAP.model_copy(update={"memory_kib": 128})
    ).passwords.hash(PASSWORD)
    deleted_meanwhile = world.repository.users.pop(user.id)

    async def found(_: str) -> User:
        return deleted_meanwhile

    world.repository.get_by_email = found  # type: ignore[method-assign, assignment]
    assert await world.users.authenticate("ada@example.com", PASSWORD) is user


async def test_what_is_shown_of_oneself() -> None:
    world = UserWorld()
    user = await world.create()
    profile = await world.users.profile(user.id)
    assert (profile.version, profile.active) == (1, True)
    assert orjson.loads(profile.body) == {
        "id": str(user.id),
        "email": "ada@example.com",
        "emailVerified": False,
        "displayName": "Ada Lovelace",
        "country": "DE",
        "roles": ["customer"],
        "active": True,
        "createdAt": timestamp(user.created_at),
        "updatedAt": timestamp(user.updated_at),
        "deletedAt": None,
        "version": 1,
    }


async def test_it_is_looked_up_once_and_again_when_it_has_changed() -> None:
    world = UserWorld()
    user = await world.create()
    await world.users.profile(user.id)
    rows, world.repository.users = world.repository.users, {}  # whoever looks finds nobody
    assert (await world.users.profile(user.id)).version == 1
    world.repository.users = rows
    await world.users.change_profile(user.id, ProfileChange(country="FR"), ANY)
    assert orjson.loads((await world.users.profile(user.id)).body)["country"] == "FR"


async def test_without_redis_it_is_looked_up_each_time() -> None:
    world = UserWorld()
    user = await world.create()
    world.store.gone = True
    assert (await world.users.profile(user.id)).version == 1
    await world.users.change_profile(user.id, ProfileChange(country="FR"), version(1))
    assert (await world.users.profile(user.id)).version == 2


async def test_an_account_that_is_gone_is_told_so() -> None:
    world = UserWorld()
    user = await world.create()
    await world.repository.update(user, {"is_active": False})
    with pytest.raises(AccountGone):
        await world.users.profile(user.id)
    with pytest.raises(AccountGone):
        await world.users.change_profile(user.id, ProfileChange(country="FR"), ANY)
    await world.repository.update(user, {"is_active": True})
    await world.profiles.forget(user.id)
    await world.users.profile(user.id)
    await world.repository.delete(user)
    await world.profiles.forget(user.id)
    with pytest.raises(AccountGone):
        await world.users.profile(user.id)
    with pytest.raises(AccountGone):
        await world.users.change_profile(user.id, ProfileChange(country="FR"), ANY)


async def test_changing_oneself_is_told_of_in_the_same_unit_of_work() -> None:
    world = UserWorld()
    user = await world.create()
    world.steps.clear()
    change = ProfileChange(display_name=" Ada King ", country="GB")
    changed = await world.users.change_profile(user.id, change, version(1))
    assert (changed.display_name, changed.country, changed.version) == ("Ada King", "GB", 2)
    assert world.steps == ["open", "publish", "commit"]
    assert world.events[1:] == [
        UserUpdated(
            user_id=user.id,
            revision=2,
            display_name="Ada King",
            country="GB",
            roles=("customer",),
            active=True,
        )
    ]


@pytest.mark.parametrize("change", [{}, {"country": "DE"}, {"display_name": "Ada Lovelace"}])
async def test_what_changes_nothing_is_no_change(change: dict[str, str]) -> None:
    world = UserWorld()
    user = await world.create()
    changed = await world.users.change_profile(user.id, ProfileChange(**change), version(1))
    assert changed.version == 1
    assert len(world.events) == 1


async def test_a_change_is_meant_for_a_version() -> None:
    world = UserWorld()
    user = await world.create()
    for precondition in (version(2), Precondition(frozenset({'W/"1"'}))):
        with pytest.raises(PreconditionFailed):
            await world.users.change_profile(user.id, ProfileChange(country="FR"), precondition)
    assert (user.country, user.version, len(world.events)) == ("DE", 1, 1)
