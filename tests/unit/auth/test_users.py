import pytest

from libs.contracts.auth import UserCreated
from services.auth.settings import PasswordSettings
from services.auth.users.errors import AccountGone, EmailTaken, InvalidPassword
from tests.unit.auth.factories import CHEAP, PASSWORD, UserWorld, new_user


async def test_signing_up_creates_a_customer_and_tells_of_it_in_one_unit_of_work() -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user(country="FR"))
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
    user = await UserWorld().users.sign_up(new_user())
    assert user.country == "DE"


async def test_an_address_has_one_account() -> None:
    world = UserWorld()
    await world.users.sign_up(new_user())
    with pytest.raises(EmailTaken):
        await world.users.sign_up(new_user(email="  ADA@Example.com "))
    assert world.steps[-2:] == ["open", "roll back"]
    assert len(world.events) == 1


async def test_the_address_of_a_deleted_user_is_free_again() -> None:
    world = UserWorld()
    first = await world.users.sign_up(new_user())
    await world.repository.delete(first)
    assert not await world.users.exists("ada@example.com")
    assert (await world.users.sign_up(new_user())).id != first.id


@pytest.mark.parametrize("password", ["short", "x" * 129, "Ada@example.com"])
async def test_a_password_follows_the_rules(password: str) -> None:
    world = UserWorld()
    with pytest.raises(InvalidPassword) as caught:
        await world.users.sign_up(new_user(password=password))
    assert [mistake.pointer for mistake in caught.value.errors] == ["/password"]
    assert password not in str(caught.value.errors)
    assert world.steps == []


@pytest.mark.parametrize("role", ["service", "king"])
def test_a_user_has_roles_that_are_for_users(role: str) -> None:
    with pytest.raises(ValueError, match=role):
        new_user(roles=("customer", role))


async def test_the_right_password_authenticates() -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user())
    assert await world.users.authenticate("ada@example.com", PASSWORD) is user
    assert user.version == 1


async def test_nothing_else_authenticates_and_all_of_it_costs_one_hash() -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user())
    world.passwords.calls.clear()
    assert await world.users.authenticate("ada@example.com", "wrong horse") is None
    assert await world.users.authenticate("nobody@example.com", PASSWORD) is None
    user.is_active = False
    assert await world.users.authenticate("ada@example.com", PASSWORD) is None
    await world.repository.delete(user)
    assert await world.users.authenticate("ada@example.com", PASSWORD) is None
    assert world.passwords.calls == ["verify", "hash", "verify", "hash"]


async def test_a_hash_of_other_parameters_is_renewed_when_its_owner_logs_in() -> None:
    before = UserWorld()
    user = await before.users.sign_up(new_user())
    old = user.hashed_password
    dearer = PasswordSettings(memory_kib=128, iterations=1, parallelism=1, concurrency=1)
    after = UserWorld(dearer, before.repository)
    assert await after.users.authenticate("ada@example.com", "wrong horse") is None
    assert user.hashed_password == old
    assert await after.users.authenticate("ada@example.com", PASSWORD) is user
    assert "m=128," in user.hashed_password
    assert await after.users.authenticate("ada@example.com", PASSWORD) is user


async def test_a_renewal_that_comes_too_late_does_not_matter() -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user())
    user.hashed_password = await UserWorld(
        CHEAP.model_copy(update={"memory_kib": 128})
    ).passwords.hash(PASSWORD)
    changed_meanwhile = world.repository.users.pop(user.id)

    async def found(_: str) -> object:
        return changed_meanwhile

    world.repository.get_by_email = found  # type: ignore[method-assign, assignment]
    assert await world.users.authenticate("ada@example.com", PASSWORD) is user


async def test_an_account_that_is_gone_is_told_so() -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user())
    assert await world.users.active(user.id) is user
    user.is_active = False
    with pytest.raises(AccountGone):
        await world.users.active(user.id)
    user.is_active = True
    await world.repository.delete(user)
    with pytest.raises(AccountGone):
        await world.users.active(user.id)
