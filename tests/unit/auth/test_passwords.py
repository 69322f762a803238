import asyncio
import threading
import time

import pytest

from services.auth.users.passwords import Passwords
from tests.unit.auth.factories import CHEAP, PASSWORD


async def test_a_hash_is_salted_and_verifies() -> None:
    passwords = Passwords(CHEAP)
    one, two = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert one != two
    assert await passwords.verify(PASSWORD, one) == (True, None)
    assert await passwords.verify("wrong horse", one) == (False, None)


async def test_what_is_inherited_cannot_hash_on_the_event_loop() -> None:
    passwords = Passwords(CHEAP)
    with pytest.raises(RuntimeError, match="in a thread"):
        passwords.helper.hash(PASSWORD)
    with pytest.raises(RuntimeError, match="in a thread"):
        passwords.helper.verify_and_update(PASSWORD, "$argon2id$")


async def test_so_many_at_a_time_also_when_callers_go_away() -> None:
    passwords = Passwords(CHEAP)
    lock, running, most = threading.Lock(), 0, 0

    def slow(password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return "hashed"

    passwords.helper.hash = slow  # type: ignore[method-assign]
    impatient = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(4)]
    await asyncio.sleep(0.005)
    for task in impatient:
        task.cancel()
    await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(4)))
    assert most == CHEAP.concurrency
