"""Demo accounts."""

from collections.abc import Mapping
from contextlib import suppress

from services.auth.users.errors import EmailTaken
from services.auth.users.schemas import NewUser
from services.auth.users.service import UserService


async def seed(users: UserService, accounts: Mapping[str, Mapping[str, str]]) -> None:
    """Create those of the accounts that are not there; safe to repeat.

    Args:
        users: the use cases.
        accounts: `email` and `password` by role.

    Raises:
        InvalidPassword: a password breaks a rule.
        pydantic.ValidationError: an address is none, or a role is not known.
    """
    for role, account in accounts.items():
        new = NewUser(
            email=account["email"],
            password=account["password"],
            display_name=f"Demo {role}",
            roles=(role,),
        )
        if not await users.exists(new.email):
            with suppress(EmailTaken):  # another process seeds at the same time
                await users.sign_up(new)
