"""Counting, with a clock that the test moves."""

import asyncio

import pytest

from libs.errors import Unavailable
from libs.limits.limiter import Count, Limiter, Policy
from libs.limits.permits import MemoryPermits
from tests.unit.conftest import Logged

POLICY = Policy("principal", quota=100, window_s=60)  # chunks of 5


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.time = 6_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def permits(clock: Clock) -> MemoryPermits:
    return MemoryPermits(now=clock)


async def _answered(limiter: Limiter, requests: int, key: str = "ada") -> int:
    """How many of so many requests are answered."""
    return sum([await limiter.take(limiter.count(key)) for _ in range(requests)])


class TestAlone:
    async def test_the_quota_is_answered_and_no_more(self, clock: Clock) -> None:
        limiter = Limiter(POLICY, now=clock)
        assert await _answered(limiter, 150) == 100
        assert await _answered(limiter, 150, "bob") == 100

    async def test_the_next_window_begins_anew(self, clock: Clock) -> None:
        limiter = Limiter(POLICY, now=clock)
        await _answered(limiter, 100)
        clock.time += 59.9
        assert limiter.reset_in() == 1
        assert await _answered(limiter, 1) == 0
        clock.time += 0.1
        assert await _answered(limiter, 150) == 100

    async def test_what_is_left_is_told(self, clock: Clock) -> None:
        limiter = Limiter(POLICY, now=clock)
        assert limiter.count("ada").remaining == 100
        await _answered(limiter, 30)
        assert limiter.count("ada").remaining == 70

    async def test_memory_is_bounded(self, clock: Clock) -> None:
        limiter = Limiter(POLICY, now=clock, most_keys=10)
        counts = [limiter.count(f"key-{number}") for number in range(1000)]
        assert sum(limiter.count(count.key) is count for count in counts[-10:]) == 10
        assert limiter.count("key-0") is not counts[0]

    async def test_a_request_of_another_is_given_back(self, clock: Clock) -> None:
        limiter = Limiter(POLICY, now=clock)
        count = limiter.count("ada")
        await limiter.take(count)
        limiter.refund(count)
        assert count.remaining == 100


class TestTogether:
    async def test_little_traffic_asks_nobody(self, clock: Clock, permits: MemoryPermits) -> None:
        limiter = Limiter(POLICY, permits, now=clock)
        for number in range(1000):
            assert await _answered(limiter, 2, f"key-{number}") == 2
        assert permits.calls == 0

    async def test_much_traffic_asks_once_a_chunk(
        self, clock: Clock, permits: MemoryPermits
    ) -> None:
        limiter = Limiter(POLICY, permits, now=clock)
        assert await _answered(limiter, 150) == 100
        assert permits.calls <= 21

    @pytest.mark.parametrize("quota", [1, 2, 7, 19, 20, 100, 6000])
    async def test_one_process_is_exact(
        self, quota: int, clock: Clock, permits: MemoryPermits
    ) -> None:
        limiter = Limiter(Policy("principal", quota), permits, now=clock)
        assert await _answered(limiter, quota + 50) == quota

    @pytest.mark.parametrize("processes", [2, 4])
    async def test_several_share_a_quota(
        self, processes: int, clock: Clock, permits: MemoryPermits
    ) -> None:
        limiters = [Limiter(POLICY, permits, now=clock) for _ in range(processes)]
        answered = 0
        for _ in range(100):
            answered += sum(await asyncio.gather(*(_answered(each, 1) for each in limiters)))
        assert 100 - 1.5 * processes * POLICY.chunk <= answered
        assert answered <= 100 + processes * POLICY.chunk

    async def test_one_that_comes_late_has_a_chunk_at_most(
        self, clock: Clock, permits: MemoryPermits
    ) -> None:
        assert await _answered(Limiter(POLICY, permits, now=clock), 150) == 100
        late = Limiter(POLICY, permits, now=clock)
        assert await _answered(late, 150) <= POLICY.chunk
        assert late.count("ada").remaining == 0

    async def test_a_burst_waits_for_the_counter_and_is_answered(
        self, clock: Clock, permits: MemoryPermits
    ) -> None:
        limiter = Limiter(POLICY, permits, now=clock)
        answered = await asyncio.gather(*(_answered(limiter, 1) for _ in range(150)))
        assert sum(answered) == 100

    async def test_who_waits_may_go_without_harm_for_others(self, clock: Clock) -> None:
        class Slow(MemoryPermits):
            def __init__(self) -> None:
                super().__init__(now=clock)
                self.go_on = asyncio.Event()

            async def take(self, key: str, permits: int, keep_s: int) -> int:
                await self.go_on.wait()
                return await super().take(key, permits, keep_s)

        slow = Slow()
        limiter = Limiter(POLICY, slow, now=clock)
        assert await _answered(limiter, POLICY.chunk) == POLICY.chunk
        waiting = [asyncio.create_task(limiter.take(limiter.count("ada"))) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        slow.go_on.set()
        assert await waiting[1]

    async def test_the_windows_of_processes_are_the_same(
        self, clock: Clock, permits: MemoryPermits
    ) -> None:
        one, two = [Limiter(POLICY, permits, now=clock) for _ in range(2)]
        await _answered(one, 150)
        clock.time += 60
        assert await _answered(two, 150) == 100


class TestWithoutTheOthers:
    async def test_each_has_the_quota_for_itself(
        self, clock: Clock, permits: MemoryPermits, logged: Logged
    ) -> None:
        permits.failure = Unavailable()
        limiter = Limiter(POLICY, permits, now=clock)
        assert await _answered(limiter, 150) == 100
        assert permits.calls == 1
        assert logged.line("limits.not_shared")["policy"] == "principal"

    async def test_from_the_next_window_on_they_share_again(
        self, clock: Clock, permits: MemoryPermits, logged: Logged
    ) -> None:
        permits.failure = Unavailable()
        limiter = Limiter(POLICY, permits, now=clock)
        await _answered(limiter, 10)
        permits.failure = None
        clock.time += 60
        await _answered(limiter, 50)
        assert permits.calls > 5
        assert logged.line("limits.shared_again")

    async def test_it_is_noticed_in_the_middle_of_a_window(
        self, clock: Clock, permits: MemoryPermits
    ) -> None:
        limiter = Limiter(POLICY, permits, now=clock)
        await _answered(limiter, 50)
        permits.failure = Unavailable()
        assert await _answered(limiter, 150) == 50
        count: Count = limiter.count("ada")
        assert count.is_final
