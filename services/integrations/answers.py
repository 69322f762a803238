"""Where an answer comes from. In this order:

    1. recent     Redis, for a minute: whatever was answered last, so that a third party that is
                  down costs one caller a minute its time-out, and not every one
    2. kept       Redis, for as long as such an answer is fresh
    3. asked      the third party
    4. outdated   the kept answer again, within a week after it was fresh, marked `stale`
    5. shipped    the snapshot in this module's `data` folder, marked `stale`

A snapshot's answer is never kept as a fresh one: it is recent for a minute, and then the third
party is asked again. The same minute is the longest that an answer stays `stale` after the third
party has come back. Without Redis all of this goes on, without the first two and the fourth.

That the third party does not know something is believed unless the snapshot knows it: a proxy that
answers 404 to everything must not turn every currency into an unknown one.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Generic, TypeVar

from libs.cache.cache import Cache
from libs.cache.store import Store
from libs.errors import Unavailable
from libs.logging import get_logger
from libs.schema import Schema

log = get_logger()

RECENT_S: Final = 60.0
UNKNOWN_S: Final = 600.0
"""How long it is remembered that the third party does not know something."""
OUTDATED_S: Final = 7 * 24 * 3600.0

A = TypeVar("A", bound=Schema)


class Answers(Generic[A]):
    """The answers of one third party.

    Args:
        store: where they are cached.
        kind: of answer; it has a field `stale`.
        namespace: of the cache.
        fresh_s: how long an answer is as good as a new one.
    """

    def __init__(self, store: Store, *, kind: type[A], namespace: str, fresh_s: float) -> None:
        self._kind = kind
        self._namespace = namespace
        self._fresh_s = fresh_s
        self._recent = Cache(store, namespace=f"{namespace}.recent")
        self._kept = Cache(store, namespace=namespace)

    async def get(
        self,
        key: str,
        *,
        ask: Callable[[], Awaitable[A | None]],
        shipped: Callable[[], A | None],
    ) -> bytes | None:
        """The best answer there is, as JSON; None: the third party does not know such a thing.

        Args:
            key: of the question.
            ask: asks the third party, in bounded time; None: it knows no such thing.
            shipped: the snapshot's answer, marked as stale; None: it has none.

        Raises:
            Unavailable: the third party does not answer, and the snapshot has no answer either.
        """
        best = partial(self._best, key, ask, shipped)
        return await self._recent.get_or_load(key, best, RECENT_S, negative_ttl=RECENT_S)

    async def _best(
        self,
        key: str,
        ask: Callable[[], Awaitable[A | None]],
        shipped: Callable[[], A | None],
    ) -> bytes | None:
        async def load() -> bytes | None:
            answer = await ask()
            if answer is None and shipped() is not None:
                raise Unavailable("the third party denies what the snapshot knows")
            return None if answer is None else answer.to_json()

        try:
            found = await self._kept.lookup(
                key, load, self._fresh_s, negative_ttl=UNKNOWN_S, stale_ttl=OUTDATED_S
            )
        except Unavailable:
            answer = shipped()
            if answer is None:
                raise
            log.warning("third_party.replaced", kind=self._namespace, by="snapshot")
            return answer.to_json()
        if found.stale and found.value is not None:
            log.warning("third_party.replaced", kind=self._namespace, by="outdated answer")
            return self._marked(found.value)
        return found.value

    def _marked(self, body: bytes) -> bytes:
        answer = self._kind.model_validate_json(body)
        return answer.model_copy(update={"stale": True}).to_json()
