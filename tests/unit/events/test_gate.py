import asyncio

import pytest

from libs.errors import Unavailable
from libs.events.gate import Gate
from tests.waiting import until


class Dependency:
    """Something that attempts depend on."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[str] = []

    async def ask(self, who: str) -> None:
        self.asked.append(who)
        await asyncio.sleep(0)
        if self.down or who == "unlucky":
            raise Unavailable

    def attempts_of(self, gate: Gate, who: str) -> "asyncio.Task[bool]":
        async def attempt() -> None:
            await self.ask(who)

        return asyncio.create_task(gate.through(attempt, asyncio.Event()))


async def test_everybody_comes_through_when_all_is_well() -> None:
    dependency, gate = Dependency(), Gate(lambda _: 100.0)
    assert all(await asyncio.gather(*(dependency.attempts_of(gate, str(n)) for n in range(5))))


async def test_during_an_outage_they_come_one_at_a_time_and_in_turn() -> None:
    dependency, pauses = Dependency(), list[int]()

    def pause_after(failures: int) -> float:
        pauses.append(failures)
        return 0.001

    gate = Gate(pause_after)
    dependency.down = True
    with pytest.raises(Unavailable):
        await dependency.attempts_of(gate, "first")
    waiting = [dependency.attempts_of(gate, str(n)) for n in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert dependency.asked == ["first", "0", "1", "2"]
    assert pauses == [1, 2, 3, 4]


async def test_the_first_success_opens_it_for_all() -> None:
    dependency, gate = Dependency(), Gate(lambda failures: 0.001 if failures == 1 else 100.0)
    dependency.down = True
    with pytest.raises(Unavailable):
        await dependency.attempts_of(gate, "first")
    waiting = [dependency.attempts_of(gate, str(n)) for n in range(5)]
    dependency.down = False
    assert all(await asyncio.gather(*waiting))


async def test_one_whose_dependency_is_down_for_it_alone_does_not_keep_it_shut() -> None:
    dependency, gate = Dependency(), Gate(lambda failures: 0.001 if failures == 1 else 100.0)
    for n in range(3):
        with pytest.raises(Unavailable):
            await dependency.attempts_of(gate, "unlucky")
        assert await dependency.attempts_of(gate, str(n))


async def test_those_that_fail_together_count_once() -> None:
    counted: list[int] = []

    def pause_after(failures: int) -> float:
        counted.append(failures)
        return 0.001

    dependency, gate = Dependency(), Gate(pause_after)
    dependency.down = True
    together = [dependency.attempts_of(gate, str(n)) for n in range(8)]
    await asyncio.gather(*together, return_exceptions=True)
    assert counted == [1]


async def test_an_error_of_another_kind_shows_that_it_is_there() -> None:
    dependency, gate = Dependency(), Gate(lambda failures: 0.001 if failures == 1 else 100.0)

    async def defect() -> None:
        raise RuntimeError

    with pytest.raises(Unavailable):
        await dependency.attempts_of(gate, "unlucky")
    with pytest.raises(RuntimeError):
        await gate.through(defect, asyncio.Event())
    assert await dependency.attempts_of(gate, "next")


async def test_waiting_can_be_interrupted() -> None:
    dependency, gate, interrupted = Dependency(), Gate(lambda _: 1000.0), asyncio.Event()

    async def never() -> None:
        raise AssertionError

    with pytest.raises(Unavailable):
        await dependency.attempts_of(gate, "unlucky")
    waiting = [asyncio.create_task(gate.through(never, interrupted)) for _ in range(3)]
    await until(gate._turn.locked)
    interrupted.set()
    assert await asyncio.gather(*waiting) == [False] * 3
