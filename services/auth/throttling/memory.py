"""Failed attempts in memory: what is left without Redis, and for tests."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.auth.throttling.ports import FIRST_S, Gate, Passage

MOST_KEYS: Final = 20_000
"""With more, those that were used the longest ago are forgotten."""


@dataclass(slots=True)
class _Known:
    """Of a key; times in seconds since the epoch, `till` in ms."""

    failures: int = 0
    under_way: int = 0
    till: int = 0
    until: float = 0.0


class MemoryAttempts:
    """Failed attempts at this process.

    Args:
        keep_s: how long an attempt counts after the last one with its key.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        keep_s: float,
        *,
        now: Callable[[], float] = time.time,
        most_keys: int = MOST_KEYS,
    ) -> None:
        self._keep_s = keep_s
        self._now = now
        self._most_keys = most_keys
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def pass_(self, gates: Sequence[Gate]) -> Passage:
        now = self._now()
        known = [self._get(gate.key, now) for gate in gates]
        wait = max(each.till / 1000 - now for each in known)
        if any(gate.is_full(k.under_way) for gate, k in zip(gates, known, strict=True)):
            wait = max(wait, FIRST_S)
        if wait > 0:
            return Passage(wait)
        failures, marks = tuple(each.failures for each in known), []
        for gate, each in zip(gates, known, strict=True):
            each.under_way += 1
            each.until = now + self._keep_s
            delay = gate.closes_for(each.failures)
            each.till = round((now + delay) * 1000) if delay else 0
            marks.append(each.till)
            self._known[gate.key] = each
            self._known.move_to_end(gate.key)
        while len(self._known) > self._most_keys:
            self._known.popitem(last=False)
        return Passage(0.0, failures, tuple(marks))

    async def fail(self, gates: Sequence[Gate]) -> None:
        now = self._now()
        for gate in gates:
            known = self._get(gate.key, now)
            if known.under_way:
                known.under_way -= 1
                known.failures += 1
                if delay := gate.closes_for(known.failures):
                    known.till = max(known.till, round((now + delay) * 1000))

    async def undo(self, gates: Sequence[Gate], marks: Sequence[int]) -> None:
        now = self._now()
        for gate, mark in zip(gates, marks, strict=True):
            known = self._get(gate.key, now)
            if known.under_way:
                known.under_way -= 1
                known.till = 0 if known.till == mark else known.till

    async def forget(self, gate: Gate) -> None:
        self._known.pop(gate.key, None)

    async def remember(self, key: str) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > self._most_keys:
            self._seen.popitem(last=False)

    async def remembers(self, key: str) -> bool:
        return key in self._seen

    def _get(self, key: str, now: float) -> _Known:
        known = self._known.get(key)
        return _Known() if known is None or known.until <= now else known
