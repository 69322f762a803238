"""Demo accounts."""

from collections.abc import Mapping
from contextlib import suppress

from services.auth.users.errors import EmailTaken
from services.auth.users.registration import Registration
from services.auth.users.schemas import NewUser


async def seed(registration: Registration, accounts: Mapping[str, Mapping[str, str]]) -> None:
    """Create those of the accounts that are not there; safe to repeat.

    Args:
        registration: creates users.
        accounts: `email` and `password` by role.

    Raises:
        InvalidPassword: a password breaks a rule.
        pydantic.ValidationError: an address is none, or a role is not known.
    """
    for role, account in accounts.items():
        fields = {**account, "display_name": f"Demo {role}", "roles": (role,)}
        new = NewUser.model_validate({**fields, "is_verified": True})  # nobody reads their mail
        if not await registration.exists(new.email):
            with suppress(EmailTaken):  # another process seeds at the same time
                await registration.create(new)
