import pytest
from pydantic import ValidationError

from services.auth.seed import seed
from tests.unit.auth.factories import PASSWORD, UserWorld

ACCOUNTS = {
    "admin": {"email": "Admin@example.com", "password": PASSWORD},
    "customer": {"email": "customer@example.com", "password": PASSWORD},
}


async def test_seeding_twice_is_seeding_once() -> None:
    world = UserWorld()
    await seed(world.registration, ACCOUNTS)
    await seed(world.registration, ACCOUNTS)
    users = {user.email: user.roles for user in world.repository.users.values()}
    assert users == {"admin@example.com": ["admin"], "customer@example.com": ["customer"]}
    assert len(world.events) == 2
    assert await world.users.authenticate("admin@example.com", PASSWORD) is not None


async def test_a_mistake_in_the_accounts_does_not_show_the_password() -> None:
    with pytest.raises(ValidationError) as caught:
        await seed(UserWorld().registration, {"admin": {"email": "admin", "password": PASSWORD}})
    assert PASSWORD not in str(caught.value)
