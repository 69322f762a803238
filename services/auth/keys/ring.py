"""The signing keys of a process that hosts `auth`: what the table says, as of a moment ago."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from libs.errors import AppError, Unavailable
from libs.logging import get_logger
from services.auth.keys.errors import NoSigningKey
from services.auth.keys.models import Life, State, StoredKey, lives
from services.auth.keys.repository import Keys
from services.auth.keys.sealing import Sealer
from services.auth.keys.signing_key import SigningKey

log = get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


class KeyRing:
    """Knows which key signs and which are published.

    It looks into the table when it is asked and has not done so for a while. If that is not
    possible it goes on with what it knows: the next key is known long before it signs.

    Args:
        max_age_s: how long what it knows is good enough, in seconds.
        now: by which keys come and go.
        clock: by which the age is told: seconds.
    """

    def __init__(
        self,
        keys: Keys,
        sealer: Sealer,
        *,
        max_age_s: float,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._sealer = sealer
        self._max_age_s = max_age_s
        self._now = now
        self._clock = clock
        self._known: Sequence[StoredKey] | None = None
        self._look_at = float("-inf")
        self._looking = asyncio.Lock()
        self._opened: SigningKey | None = None

    async def signer(self) -> SigningKey:
        """The key to sign with now.

        Raises:
            NoSigningKey: there is none.
            Unavailable: the keys were never read, and cannot be.
            WrongKeySecret: it cannot be decrypted.
        """
        for life in await self._lives():
            if life.state is State.SIGNS:
                return self._open(life.key)
        raise NoSigningKey

    async def published(self) -> dict[str, Any]:
        """The JSON Web Key Set that verifiers need.

        Raises:
            Unavailable: the keys were never read, and cannot be.
        """
        return {"keys": [life.key.public_key for life in await self._lives() if life.is_published]}

    async def check(self) -> None:
        """For readiness: raises what `signer` raises."""
        await self.signer()

    async def _lives(self) -> list[Life]:
        if self._clock() >= self._look_at:
            async with self._looking:
                if self._clock() >= self._look_at:
                    await self._look()
        assert self._known is not None  # noqa: S101 (else `_look` has raised)
        return lives(self._known, self._now())

    async def _look(self) -> None:
        try:
            found = await self._keys.all()
        except Unavailable as error:
            if self._known is None:
                raise
            log.warning("keys.not_read", detail=str(error))
        else:
            self._note(found)
            self._known = found
            await self._erase(found)
        self._look_at = self._clock() + self._max_age_s

    async def _erase(self, found: Sequence[StoredKey]) -> None:
        """Have the private halves forgotten that nobody needs any more."""
        spent = [life.key.kid for life in lives(found, self._now()) if life.erasable]
        if spent:
            try:
                await self._keys.erase(spent)
            except AppError as error:
                log.warning("keys.not_erased", detail=str(error))
            else:
                log.info("keys.erased", kids=spent)

    def _note(self, found: Sequence[StoredKey]) -> None:
        before = None if self._known is None else {key.kid: key.retired_at for key in self._known}
        if before != {key.kid: key.retired_at for key in found}:
            states = {life.key.kid: life.state.value for life in lives(found, self._now())}
            log.info("keys.changed", keys=states)
            if State.SIGNS not in states.values():
                log.error("keys.missing", detail=NoSigningKey.title)

    def _open(self, key: StoredKey) -> SigningKey:
        if self._opened is None or self._opened.kid != key.kid:
            if key.private_key is None:
                raise NoSigningKey
            der = self._sealer.unseal(key.private_key, key.kid)
            self._opened = SigningKey.from_der(der)
            log.info("keys.signer", kid=key.kid)
        return self._opened
