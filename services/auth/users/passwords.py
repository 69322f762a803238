"""Hashing passwords with argon2id, off the event loop: it takes tens of milliseconds of CPU."""

import asyncio
import base64
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from services.auth.settings import PasswordSettings

P = ParamSpec("P")
R = TypeVar("R")


class OffLoopPasswordHelper(PasswordHelper):
    """fastapi-users' helper, which refuses to work on an event loop.

    Methods that `UserManager` inherits call it directly. Such a call is a defect that would only
    show under load; so it shows at once.
    """

    def hash(self, password: str) -> str:
        _forbid_loop()
        return super().hash(password)

    def verify_and_update(
        self, plain_password: str, hashed_password: str
    ) -> tuple[bool, str | None]:
        _forbid_loop()
        return super().verify_and_update(plain_password, hashed_password)


def _forbid_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("passwords are hashed in a thread: services.auth.users.passwords.Passwords")


class Passwords:
    """Hashes and checks in a few threads of its own.

    Their number is the bound, for time and for memory. A semaphore before the loop's common threads
    would not hold: a caller that goes away frees its place while its hash is still computed.
    """

    def __init__(self, settings: PasswordSettings) -> None:
        hasher = Argon2Hasher(
            time_cost=settings.iterations,
            memory_cost=settings.memory_kib,
            parallelism=settings.parallelism,
        )
        self._decoy = _decoy(settings)
        self.helper = OffLoopPasswordHelper(PasswordHash((hasher,)))
        self._threads = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        """The argon2id hash of `password`, in the PHC string format."""
        return await self._in_thread(self.helper.hash, password)

    async def verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        """Whether `password` has this hash; and a new one if the parameters have changed since."""
        return await self._in_thread(self.helper.verify_and_update, password, hashed)

    async def verify_nobodys(self, password: str) -> None:
        """Take the time that `verify` takes with a wrong password."""
        await self.verify(password, self._decoy)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def _decoy(settings: PasswordSettings) -> str:
    """A hash with these parameters that no password has."""
    salt, digest = (base64.b64encode(os.urandom(n)).rstrip(b"=").decode() for n in (16, 32))
    cost = f"m={settings.memory_kib},t={settings.iterations},p={settings.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
