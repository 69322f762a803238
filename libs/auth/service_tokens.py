"""The access token of a module's own service account (OAuth 2.0 client credentials)."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Grant = Callable[[], Awaitable[tuple[str, int]]]
"""Asks the issuer for a token; gives it with its lifetime in seconds."""


class ServiceTokens:
    """Keeps one token and renews it before it expires."""

    def __init__(self, grant: Grant, *, early_s: float = 30.0) -> None:
        self._grant = grant
        self._early_s = early_s
        self._token = ""
        self._renew_at = float("-inf")
        self._renewing = asyncio.Lock()

    async def get(self) -> str:
        """A valid token.

        Raises:
            Unavailable: the issuer does not answer.
            Unauthenticated: it does not accept the account.
        """
        async with self._renewing:
            if time.monotonic() >= self._renew_at:
                self._token, lifetime = await self._grant()
                self._renew_at = time.monotonic() + lifetime - self._early_s
            return self._token

    def forget(self) -> None:
        """Ask for a new token next time: the one at hand was refused."""
        self._renew_at = float("-inf")
