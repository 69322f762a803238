"""Delays between failed logins, with a clock that the test moves."""

import asyncio

import pytest

from libs.errors import Unauthenticated, Unavailable
from services.auth.settings import ThrottleSettings
from services.auth.throttling.errors import TooManyAttempts
from services.auth.throttling.memory import MemoryAttempts
from services.auth.throttling.ports import Gate
from services.auth.throttling.service import SLOWEST_S, LoginThrottle
from tests.unit.conftest import Logged

ADA, BOB = "ada@example.com", "bob@example.com"
HERE, THERE = "192.0.2.0/24", "198.51.100.0/24"


class World:
    """A throttle and its surroundings."""

    def __init__(self, **settings: float) -> None:
        self.time = 6_000_000.0
        self.slept: list[float] = []
        self.attempts = MemoryAttempts(3600, now=lambda: self.time)
        self.throttle = LoginThrottle(
            self.attempts,
            ThrottleSettings.model_validate(settings),
            key=b"secret",
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def fail(self, times: int = 1, email: str = ADA, network: str | None = HERE) -> None:
        """Log in with a wrong password."""
        for _ in range(times):
            with pytest.raises(Unauthenticated):
                async with self.throttle(email, network):
                    raise Unauthenticated

    async def log_in(self, email: str = ADA, network: str | None = HERE) -> None:
        """Log in with the right one."""
        async with self.throttle(email, network):
            pass

    async def refusal(self, email: str = ADA, network: str | None = HERE) -> float:
        """For how long the next attempt is refused."""
        with pytest.raises(TooManyAttempts) as refused:
            await self.log_in(email, network)
        assert refused.value.retry_after is not None
        return round(refused.value.retry_after, 3)


async def test_delays_grow_up_to_the_longest() -> None:
    world, delays = World(), []
    await world.fail(5)
    for _ in range(12):
        delays.append(await world.refusal())
        world.time += delays[-1]
        await world.fail()
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_what_is_refused_does_not_count() -> None:
    world = World()
    await world.fail(5)
    assert [await world.refusal() for _ in range(20)] == [1.0] * 20
    world.time += 1
    await world.log_in()


async def test_of_many_at_once_only_some_are_tried() -> None:
    world, tried = World(), []

    async def attempt() -> None:
        async with world.throttle(ADA, HERE):
            tried.append(1)
            await asyncio.sleep(0)
            raise Unauthenticated

    results = await asyncio.gather(*(attempt() for _ in range(50)), return_exceptions=True)
    assert len(tried) == 20
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 30
    assert await world.refusal() == 900


async def test_with_delays_there_is_one_at_a_time() -> None:
    world = World()
    await world.fail(5)
    world.time += 1
    async with world.throttle(ADA, HERE):
        assert await world.refusal() == 1


async def test_who_knows_the_password_may_log_in_many_times_at_once() -> None:
    world = World()

    async def attempt() -> None:
        async with world.throttle(ADA, HERE):
            await asyncio.sleep(0)

    for _ in range(10):
        await asyncio.gather(*(attempt() for _ in range(20)))


async def test_an_attempt_that_is_cancelled_has_failed() -> None:
    world = World()
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            async with world.throttle(ADA, HERE):
                raise asyncio.CancelledError
    assert await world.refusal() == 1


async def test_a_success_clears() -> None:
    world = World()
    for _ in range(20):
        await world.fail(4)
        await world.log_in()


async def test_failures_are_forgotten_in_the_end() -> None:
    world = World()
    await world.fail(5)
    world.time += 3600
    await world.fail(4)
    await world.log_in()


async def test_nobody_is_locked_out_from_elsewhere() -> None:
    world = World(network_free=1000)
    for _ in range(500):
        await world.fail()
        world.time += 900
    await world.fail()
    assert await world.refusal() == 900
    await world.log_in(network=THERE)
    await world.log_in(network=None)
    await world.fail(email=BOB)


async def test_guessing_at_many_accounts_is_found_out_too() -> None:
    world = World()
    for number in range(100):
        await world.fail(email=f"user-{number}@example.com")
    assert await world.refusal(email="another@example.com") == 1
    world.time += 1
    await world.fail(email="another@example.com")
    assert await world.refusal() == 2
    await world.log_in(network=THERE)


async def test_an_account_of_ones_own_does_not_help_the_attacker() -> None:
    world = World()
    for number in range(99):
        await world.fail(email=f"user-{number}@example.com")
        await world.log_in(email=BOB)
    await world.fail()
    assert await world.refusal(email=BOB) == 1


async def test_those_who_log_in_do_not_count_against_their_network() -> None:
    world = World()
    for number in range(300):
        await world.log_in(email=f"user-{number}@example.com")


async def test_an_account_under_attack_is_slow_but_open_for_networks_it_does_not_know() -> None:
    world = World()
    await world.log_in()
    for number in range(200):
        await world.fail(network=f"10.0.{number}.0/24")
    assert world.slept[-1] == SLOWEST_S
    world.slept.clear()
    await world.log_in(network=THERE)
    assert world.slept == [SLOWEST_S]
    await world.log_in()
    await world.log_in(network=THERE)
    assert len(world.slept) == 1


async def test_what_tells_nothing_does_not_count() -> None:
    world = World()
    for _ in range(20):
        with pytest.raises(Unavailable):
            async with world.throttle(ADA, HERE):
                raise Unavailable
    await world.log_in()


async def test_it_is_told_in_the_log_without_the_address(logged: Logged) -> None:
    world = World()
    await world.fail(5)
    await world.refusal()
    line = logged.line("auth.login_throttled")
    assert line["waitMs"] == 1000
    assert "ada" not in str(line)


async def test_it_can_be_switched_off() -> None:
    world = World(enabled=False)
    await world.fail(500)
    await world.log_in()


async def test_memory_is_bounded() -> None:
    attempts = MemoryAttempts(3600, now=lambda: 0.0, most_keys=10)
    for number in range(1000):
        await attempts.pass_([Gate(key=str(number), free=1, at_once=1, longest_s=1)])
        await attempts.remember(str(number))
    assert await attempts.remembers("999")
    assert not await attempts.remembers("0")
    oldest = await attempts.pass_([Gate(key="0", free=1, at_once=1, longest_s=1)])
    assert oldest.wait_s == 0
