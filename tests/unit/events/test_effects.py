"""Several events in one transaction, and what becomes of them when one fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from libs.events import effects as effects_module
from libs.events.effects import Effect, Effects
from libs.events.memory import MemoryInbox
from libs.ids import uuid7
from tests.waiting import until


class CountingInbox(MemoryInbox):
    """Remembers how many claims each transaction had."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[int] = []

    @asynccontextmanager
    async def claim(self, consumer: str, event_id: UUID) -> AsyncIterator[bool]:
        self.transactions.append(1)
        async with super().claim(consumer, event_id) as new:
            yield new

    @asynccontextmanager
    async def claim_all(
        self, claims: Sequence[tuple[str, UUID]]
    ) -> AsyncIterator[frozenset[tuple[str, UUID]]]:
        self.transactions.append(len(claims))
        async with super().claim_all(claims) as new:
            yield new


class Bench:
    """Effects, of which the first holds the only slot until `go` is set."""

    def __init__(self, size: int = 4) -> None:
        self.inbox = CountingInbox()
        self.effects = Effects(self.inbox, asyncio.Semaphore(1), size=size, service="receiver")
        self.go = asyncio.Event()
        self.done: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.hanging: set[str] = set()

    def start(self, name: str, event_id: UUID | None = None) -> "asyncio.Task[bool]":
        async def carry_out() -> None:
            if name == "first":
                await self.go.wait()
            if error := self.failing.get(name):
                raise error
            if name in self.hanging:
                self.hanging.discard(name)
                await asyncio.Event().wait()
            self.done.append(name)

        effect = Effect(claim=("handler", event_id or uuid7()), carry_out=carry_out)
        return asyncio.create_task(self.effects.apply(effect, alone=False))

    async def start_all(self, names: str) -> list["asyncio.Task[bool]"]:
        """The first one, and then these, which wait for it."""
        tasks = [self.start("first")]
        await until(lambda: self.effects._slots.locked())
        tasks += [self.start(name) for name in names]
        await asyncio.sleep(0)
        self.go.set()
        return tasks


async def test_one_after_another_each_has_a_transaction() -> None:
    bench = Bench()
    for name in "abc":
        assert await bench.start(name)
    assert bench.inbox.transactions == [1, 1, 1]


async def test_those_that_wait_share_transactions() -> None:
    bench = Bench(size=4)
    assert all(await asyncio.gather(*await bench.start_all("abcdef")))
    assert bench.inbox.transactions == [1, 4, 2]
    assert bench.done == ["first", *"abcdef"]
    assert len(bench.inbox.rows) == 7


async def test_if_one_fails_the_others_go_on_alone() -> None:
    bench = Bench()
    bench.failing["b"] = RuntimeError("defect")
    results = await asyncio.gather(*await bench.start_all("abc"), return_exceptions=True)
    assert [isinstance(result, RuntimeError) for result in results] == [False, False, True, False]
    assert len(bench.inbox.rows) == 3
    assert bench.inbox.transactions == [1, 3, 1, 1, 1]


async def test_a_slow_one_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects_module, "TOGETHER_S", 0.01)
    bench = Bench()
    bench.hanging.add("b")
    assert all(await asyncio.gather(*await bench.start_all("abc")))
    assert len(bench.inbox.rows) == 4


async def test_what_was_done_before_is_left_out() -> None:
    bench, event_id = Bench(), uuid7()
    bench.inbox.rows.add(("handler", event_id))
    first = bench.start("first")
    await until(lambda: bench.effects._slots.locked())
    tasks = [bench.start("a", event_id), bench.start("b")]
    await asyncio.sleep(0)
    bench.go.set()
    assert await asyncio.gather(first, *tasks) == [True, False, True]
    assert bench.done == ["first", "b"]


async def test_one_that_nobody_waits_for_any_more_is_left_out() -> None:
    bench = Bench()
    tasks = [bench.start("first")]
    await until(lambda: bench.effects._slots.locked())
    tasks += [bench.start(name) for name in "ab"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    bench.go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert bench.done == ["first", "b"]


async def test_closing_rolls_back_what_is_shared() -> None:
    bench = Bench()
    bench.hanging.add("a")
    tasks = await bench.start_all("ab")
    await until(lambda: not bench.hanging)
    for task in tasks:
        task.cancel()
    await bench.effects.close()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(bench.inbox.rows) == 1
