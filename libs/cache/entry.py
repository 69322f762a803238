"""What is stored under a key: a value, and what tells whether it still holds.

    generation (16 bytes) | fresh until (8) | present (1) | value

A *generation* is a random token, kept under a key of its own. An entry is valid only while the
generation that it was loaded under is the current one. To invalidate entries is to forget their
generation: the next who loads draws a new one, which no older entry can have. That holds for what
is stored already, and for what somebody who began to load before will store later. It also holds if
the store evicts a generation: then the entry is of no use, and never the other way round.
"""

import secrets
import struct
from typing import Final, NamedTuple

_GENERATION_BYTES: Final = 16
_HEADER: Final = struct.Struct(f"!{_GENERATION_BYTES}sd?")


class Entry(NamedTuple):
    """A value with what tells whether it still holds.

    Attributes:
        generation: under which it was loaded.
        fresh_until: in terms of the store's `now`.
        value: the bytes, or None: there is no such thing.
    """

    generation: bytes
    fresh_until: float
    value: bytes | None


class Seen(NamedTuple):
    """What a look at the store has shown, at one moment.

    Attributes:
        generation: the current one; None: there is none, and so nothing valid.
        entry: if it is valid, fresh or not.
    """

    generation: bytes | None
    entry: Entry | None


def new_generation() -> bytes:
    """One that was never before."""
    return secrets.token_bytes(_GENERATION_BYTES)


def pack(entry: Entry) -> bytes:
    """An entry as it is stored."""
    present = entry.value is not None
    return _HEADER.pack(entry.generation, entry.fresh_until, present) + (entry.value or b"")


def unpack(stored: bytes | None, generation: bytes | None) -> Seen:
    """What is stored, seen under the current generation."""
    if stored is None or generation is None or not stored.startswith(generation):
        return Seen(generation, None)
    if len(stored) < _HEADER.size:
        return Seen(generation, None)
    _, fresh_until, present = _HEADER.unpack_from(stored)
    value = stored[_HEADER.size :] if present else None
    return Seen(generation, Entry(generation, fresh_until, value))
