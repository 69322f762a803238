"""The table of signing keys, and what becomes of a key in the course of time.

    added ──publish_s──► signs ──a newer key signs──► verifies ──KEEP_S──► over
      └───────────────── retired: withdrawn at once ────────────────────────┘

A key is published from its first moment, so that verifiers know it before it signs. Of the keys
that may sign the one with the latest `active_from` does. The one before it stays published until
the last token that it signed has expired. Nothing has to happen for that: it follows from the
times, and every process comes to the same conclusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from tortoise import fields
from tortoise.models import Model

from services.auth.settings import MAX_ACCESS_TOKEN_S

OVERLAP: Final = timedelta(seconds=300)
"""For a process that has not noticed yet that another key signs, and for clocks that differ."""

KEEP: Final = timedelta(seconds=MAX_ACCESS_TOKEN_S) + OVERLAP
"""How long a key is published after it has stopped signing: longer than any token lives."""


class StoredKey(Model):
    """A key.

    Attributes:
        kid: its name, the thumbprint of its public half.
        public_key: as a JSON Web Key.
        private_key: sealed (`sealing.Sealer`); None once it signs no more.
        active_from: when it signs, unless a newer one does.
        retired_at: when it was withdrawn.
    """

    kid = fields.CharField(max_length=43, primary_key=True)
    public_key: fields.JSONField[dict[str, Any]] = fields.JSONField()
    private_key: bytes | None = fields.BinaryField(null=True)
    created_at = fields.DatetimeField()
    active_from = fields.DatetimeField()
    retired_at = fields.DatetimeField(null=True)

    class Meta:
        table = "signing_keys"

    @property
    def ever_signs(self) -> bool:
        """Whether there is a time at which it may sign: it was not withdrawn before."""
        return self.retired_at is None or self.retired_at > self.active_from


class State(StrEnum):
    """What a key is good for."""

    PUBLISHED = "published"
    SIGNS = "signs"
    VERIFIES = "verifies"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Life:
    """A key at a moment.

    Attributes:
        signs_until: when a newer key takes over; None: no such key is known.
        published_until: when it need not be known any more; None: that is not known yet.
        erasable: whether there is a private half that nobody needs any more.
    """

    key: StoredKey
    state: State
    signs_until: datetime | None
    published_until: datetime | None
    erasable: bool

    @property
    def is_published(self) -> bool:
        return self.state is not State.OVER


def lives(keys: Sequence[StoredKey], now: datetime) -> list[Life]:
    """What each key is good for at `now`, in the order in which they sign."""
    ordered = sorted(keys, key=lambda key: (key.active_from, key.kid))
    following: StoredKey | None = None
    found: list[Life] = []
    for key in reversed(ordered):
        found.append(_life(key, following, now))
        if key.ever_signs:
            following = key
    return found[::-1]


def _life(key: StoredKey, following: StoredKey | None, now: datetime) -> Life:
    signs_until = None if following is None else following.active_from
    published_until = None if signs_until is None else signs_until + KEEP
    if key.retired_at is not None:
        published_until = min(key.retired_at, published_until or key.retired_at)
    if published_until is not None and published_until <= now:
        state = State.OVER
    elif signs_until is not None and signs_until <= now:
        state = State.VERIFIES
    elif key.active_from <= now:
        state = State.SIGNS
    else:
        state = State.PUBLISHED
    spent = signs_until is not None and signs_until + OVERLAP <= now
    erasable = spent and key.private_key is not None
    return Life(key, state, signs_until, published_until, erasable)
