"""What is shown of a user, cached as it is answered.

An entry has neither hash nor anything else that is not shown. In the process that changes a user
it is gone when the change is acknowledged; another one may show it for as long as an entry lives
if Redis did not take the invalidation, and that is a tenth more than its time to live at most.
The address in it is personal data: that is why it does not live long.
"""

from typing import NamedTuple
from uuid import UUID

from libs.cache.cache import Cache
from services.auth.users.repository import Users
from services.auth.users.schemas import UserOut

NAMESPACE = "users"


class Profile(NamedTuple):
    """A user who is not deleted.

    Attributes:
        version: of the user.
        active: whether they may log in.
        body: a `UserOut` in JSON.
    """

    version: int
    active: bool
    body: bytes


class Profiles:
    """Users by id, cache first.

    Args:
        users: where they are.
        cache: of these alone.
        ttl_s: how long an entry lives.
    """

    def __init__(self, users: Users, cache: Cache, *, ttl_s: float) -> None:
        self._users = users
        self._cache = cache
        self._ttl_s = ttl_s

    async def get(self, user_id: UUID) -> Profile | None:
        """The user; None: there is none, or not any more."""
        entry = await self._cache.get_or_load(
            str(user_id),
            lambda: self._load(user_id),
            self._ttl_s,
            negative_ttl=self._ttl_s,  # nobody ever gets the id of one who is deleted
        )
        if entry is None:
            return None
        head, _, body = entry.partition(b"\n")
        version, active = head.split()
        return Profile(int(version), active == b"1", body)

    async def forget(self, user_id: UUID) -> None:
        """Have the user looked up anew, once a change is committed."""
        await self._cache.invalidate(str(user_id))

    async def _load(self, user_id: UUID) -> bytes | None:
        user = await self._users.get(user_id)
        if user is None:
            return None
        return b"%d %d\n%b" % (user.version, user.is_active, UserOut.of(user).to_json())
