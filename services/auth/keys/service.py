"""What operators do with signing keys; the first one of the embedded profile makes itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from libs.logging import get_logger
from libs.schema import timestamp
from services.auth.keys.errors import KeyInUse, KeyKnown, KeyPending, UnknownKey
from services.auth.keys.models import Life, State, StoredKey, lives
from services.auth.keys.repository import Keys
from services.auth.keys.sealing import Sealer
from services.auth.keys.signing_key import SigningKey

log = get_logger()

Work = Callable[[], AbstractAsyncContextManager[object]]


class KeyService:
    """The use cases.

    Args:
        work: opens a unit of work on the module's database.
        publish_s: how long a new key is published before it signs.
    """

    def __init__(
        self,
        keys: Keys,
        sealer: Sealer,
        *,
        work: Work,
        publish_s: float,
    ) -> None:
        self._keys = keys
        self._sealer = sealer
        self._work = work
        self._publish = timedelta(seconds=publish_s)

    async def list(self) -> Sequence[Life]:
        """All keys that ever were, in the order in which they sign."""
        return lives(await self._keys.all(), await self._keys.now())

    async def rotate(self, *, at_once: bool = False) -> StoredKey:
        """Add a key, which will sign in place of the one that does now.

        Args:
            at_once: let it sign without having been published before. The first key does anyway:
                there is nobody who could be surprised.

        Raises:
            KeyPending: one is about to sign; another one would only come before its time.
        """
        return await self._add(SigningKey.new(), at_once=at_once)

    async def adopt(self, key: SigningKey, *, at_once: bool = False) -> StoredKey:
        """The same, with a key that comes from elsewhere.

        Raises:
            KeyKnown: it is, or was, among the keys. Also what `rotate` raises.
        """
        return await self._add(key, at_once=at_once)

    async def make_first(self) -> None:
        """Add a key if there is none."""
        async with self._work():
            await self._keys.lock()
            if not await self._keys.all():
                now = await self._keys.now()
                await self._store(SigningKey.new(), now, active_from=now)

    async def retire(self, kid: str, *, force: bool = False) -> None:
        """Withdraw a key: what it has signed is not valid any more.

        Args:
            force: even though tokens that it has signed may still be in use.

        Raises:
            KeyInUse: it is the one that signs; or see `force`.
            UnknownKey: there is none of this name.
        """
        async with self._work():
            await self._keys.lock()
            life = next((life for life in await self.list() if life.key.kid == kid), None)
            if life is None:
                raise UnknownKey(f"There is no key {kid}")
            if life.state is State.SIGNS:
                raise KeyInUse(f"{kid} signs: rotate the keys first")
            if life.state is State.VERIFIES and not force:
                raise KeyInUse(f"Tokens that {kid} has signed may still be in use{_until(life)}")
            if life.state is not State.OVER:
                await self._keys.retire(kid, await self._keys.now())
                log.info("keys.retired", kid=kid)

    async def _add(self, key: SigningKey, *, at_once: bool) -> StoredKey:
        async with self._work():
            await self._keys.lock()
            known = await self.list()
            if any(life.key.kid == key.kid for life in known):
                raise KeyKnown(f"{key.kid} is, or was, among the keys")
            pending = [life for life in known if life.state is State.PUBLISHED]
            if pending and not at_once:
                raise KeyPending(
                    f"{pending[0].key.kid} signs from {timestamp(pending[0].key.active_from)} on"
                )
            first = not any(life.state is State.SIGNS for life in known)
            now = await self._keys.now()
            active_from = now if at_once or first else now + self._publish
            return await self._store(key, now, active_from=active_from)

    async def _store(self, key: SigningKey, now: datetime, *, active_from: datetime) -> StoredKey:
        stored = StoredKey(
            kid=key.kid,
            public_key=key.public,
            private_key=self._sealer.seal(key.to_der(), key.kid),
            created_at=now,
            active_from=active_from,
        )
        await self._keys.add(stored)
        log.info("keys.added", kid=key.kid, activeFrom=timestamp(active_from))
        return stored


def _until(life: Life) -> str:
    return "" if life.published_until is None else f", until {timestamp(life.published_until)}"
