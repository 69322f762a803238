"""A cache over a store in memory."""

import pytest

from libs.cache.cache import Cache
from libs.cache.memory import MemoryStore
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def cache(store: MemoryStore) -> Cache:
    return Cache(store, namespace="things", version=3)


@pytest.fixture
def elsewhere(store: MemoryStore) -> Cache:
    """The same cache in another process."""
    return Cache(store, namespace="things", version=3)
