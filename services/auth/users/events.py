"""What the others are told of users.

The revision is the version: both count the states of what is shown of a user. A new hash of the
same password is none of them (`repository.Users.renew_hash`).
"""

from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from services.auth.users.models import User


def created(user: User) -> UserCreated:
    return UserCreated(
        user_id=user.id,
        revision=user.version,
        display_name=user.display_name,
        country=user.country,
        roles=tuple(user.roles),
    )


def updated(user: User) -> UserUpdated:
    return UserUpdated(**dict(created(user)), active=user.is_active)


def deleted(user: User) -> UserDeleted:
    return UserDeleted(user_id=user.id, revision=user.version)
