"""The port behind the throttle: failed attempts, by key. `memory.py` and `repository.py` implement
it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

Throttle = Callable[[str, str | None], AbstractAsyncContextManager[None]]
"""Goes around an attempt to log in: with this address, from this part of the network."""


def unthrottled(_email: str, _network: str | None) -> AbstractAsyncContextManager[None]:
    """Lets every attempt through."""
    return nullcontext()


FIRST_S: Final = 1.0
"""The first delay; each is twice as long as the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Closes for a while after each failed attempt of many.

    Attributes:
        key: what the attempts have in common.
        free: so many may fail before it closes for the first time.
        at_once: so many may be under way.
        longest_s: that it closes; 0: it only counts.
    """

    key: str
    free: int
    at_once: int
    longest_s: float

    def closes_for(self, failures: int) -> float:
        """Seconds, after so many failures."""
        over = failures - self.free
        return 0.0 if over < 0 else min(self.longest_s, FIRST_S * 2 ** min(over, 30))

    def is_full(self, under_way: int) -> bool:
        """Whether another attempt has to wait for those that are under way."""
        return self.longest_s > 0 and under_way >= self.at_once


@dataclass(frozen=True, slots=True)
class Passage:
    """What became of an attempt.

    Attributes:
        wait_s: until it may be repeated; 0: it may go on, and has to be settled.
        failures: at each gate, before it.
        marks: until when each gate is closed because of this attempt, in ms since the epoch; 0: it
            is not.
    """

    wait_s: float
    failures: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


class Attempts(Protocol):
    """All methods raise `libs.errors.Unavailable` if nobody can be asked."""

    async def pass_(self, gates: Sequence[Gate]) -> Passage:
        """Go through all gates, or through none if one is closed; in one step, so that of many
        who come at once no more get through than may. Once there are delays, the attempt closes
        the gate behind it at once."""

    async def fail(self, gates: Sequence[Gate]) -> None:
        """An attempt that has gone through has failed."""

    async def undo(self, gates: Sequence[Gate], marks: Sequence[int]) -> None:
        """It does not count."""

    async def forget(self, gate: Gate) -> None:
        """None of the attempts at a gate counts any more."""

    async def remember(self, key: str) -> None:
        """Somebody has logged in with this key."""

    async def remembers(self, key: str) -> bool:
        """Whether somebody has, not too long ago."""
