"""Delays between failed attempts to log in.

Attempts are counted for the account together with the part of the network that they come from, and
for that part alone. So whoever guesses has to wait longer and longer, and nobody else has to: the
owner of the account logs in from elsewhere as if nothing was. For the account alone, attempts from
parts of the network where nobody has logged in to it are made slow, but not refused.

Whether there is such an account makes no difference.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from libs.errors import AppError, Unauthenticated, Unavailable
from libs.logging import get_logger
from services.auth.settings import ThrottleSettings
from services.auth.throttling.errors import TooManyAttempts
from services.auth.throttling.ports import Attempts, Gate, Passage

log = get_logger()

NOWHERE: Final = "nowhere"
"""The network of those without an address."""

SLOWEST_S: Final = 2.0
"""The most that an attempt at an account under attack is slowed down."""

_SLOWER_BY_S: Final = 0.05


class LoginThrottle:
    """The use case.

    Args:
        attempts: counts them.
        settings: how many may fail.
        key: makes of an address what does not tell it.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        attempts: Attempts,
        settings: ThrottleSettings,
        *,
        key: bytes,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._attempts = attempts
        self._settings = settings
        self._key = key
        self._sleep = sleep

    @asynccontextmanager
    async def __call__(self, email: str, network: str | None) -> AsyncIterator[None]:
        """Around an attempt to log in, which fails if the block raises `Unauthenticated`.

        Args:
            email: normalised.
            network: where the attempt comes from, such as 192.0.2.0/24.

        Raises:
            TooManyAttempts: it comes too soon.
        """
        if not self._settings.enabled:
            yield
            return
        gates = pair, _, account = self._gates(email, network or NOWHERE)
        passage = await self._attempts.pass_(gates)
        if passage.wait_s > 0:
            log.warning("auth.login_throttled", waitMs=round(passage.wait_s * 1000))
            raise TooManyAttempts(retry_after=passage.wait_s)
        await self._slow_down(passage.failures[-1] - account.free + 1, pair)
        try:
            yield
        except AppError as error:
            if isinstance(error, Unauthenticated):
                await self._tell(self._attempts.fail(gates))
            else:  # nobody has found out anything
                await self._tell(self._attempts.undo(gates, passage.marks))
            raise
        except BaseException:  # cancelled, say, by who would rather not have it counted
            await self._tell(self._attempts.fail(gates))
            raise
        await self._tell(self._succeeded(gates, passage))

    def _gates(self, email: str, network: str) -> tuple[Gate, Gate, Gate]:
        settings = self._settings
        together = self._hidden(f"{email}\0{network}")
        return (
            Gate(
                key=f"pair:{together}",
                free=settings.free,
                at_once=settings.at_once,
                longest_s=settings.longest_s,
            ),
            Gate(
                key=f"network:{network}",
                free=settings.network_free,
                at_once=settings.network_free,
                longest_s=settings.longest_s,
            ),
            Gate(
                key=f"account:{self._hidden(email)}",
                free=settings.account_free,
                at_once=0,
                longest_s=0,
            ),
        )

    def _hidden(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()

    async def _slow_down(self, over: int, pair: Gate) -> None:
        if over > 0 and not await self._attempts.remembers(pair.key):
            await self._sleep(min(SLOWEST_S, over * _SLOWER_BY_S))

    async def _succeeded(self, gates: tuple[Gate, ...], passage: Passage) -> None:
        """The failures of the pair are forgotten. Those of the network are not: an attacker, too,
        has an account to log in to."""
        pair, *others = gates
        await self._attempts.forget(pair)
        await self._attempts.undo(others, passage.marks[1:])
        await self._attempts.remember(pair.key)

    @staticmethod
    async def _tell(telling: Awaitable[None]) -> None:
        """An attempt that stays counted does less harm than one that is refused for it."""
        try:
            await telling
        except Unavailable:
            log.warning("auth.throttle_not_shared")
