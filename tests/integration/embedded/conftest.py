"""Data folders for profiles, and a way to start only some of the servers."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.embedded import EmbeddedProfile
from libs.embedded.profile import (
    DATABASE_ADMIN_URL,
    KAFKA_BOOTSTRAP_SERVERS,
    MONGO_URL,
    REDIS_URL,
)
from tests.servers import PASSWORD, Servers, copy_owned, memory

ADDRESSES = {
    "postgres": (DATABASE_ADMIN_URL, "postgresql://admin:secret@database.example/elsewhere"),
    "valkey": (REDIS_URL, "redis://cache.example:6379/0"),
    "mongo": (MONGO_URL, "mongodb://documents.example:27017/"),
    "kafka": (KAFKA_BOOTSTRAP_SERVERS, "events.example:9092"),
}

Profiles = Callable[..., EmbeddedProfile]


@pytest.fixture
def data() -> Iterator[Path]:
    """Not `tmp_path`: pytest takes away other accounts' way to it, and PostgreSQL never is root."""
    with tempfile.TemporaryDirectory(prefix="throughline-", dir=memory()) as folder:
        yield Path(folder) / "data"


@pytest.fixture
def used(data: Path, servers: Servers) -> Path:
    """`data` after an earlier start of PostgreSQL: creating a cluster takes its time."""
    home = data / "postgres"
    home.mkdir(parents=True)
    copy_owned(Path(servers.cluster), home / "cluster")
    (data / "secrets.json").write_text(json.dumps({"postgres": PASSWORD}))
    return data


@pytest.fixture
def profile_of(data: Path, environ: dict[str, str]) -> Profiles:
    """A profile that starts the servers of the given names; the others have an address."""

    def make(*servers: str, folder: Path = data, modules: tuple[str, ...] = ()) -> EmbeddedProfile:
        elsewhere = dict(pair for name, pair in ADDRESSES.items() if name not in servers)
        return EmbeddedProfile(folder, environ | elsewhere, modules=modules)

    return make


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment that the tests were started with, but for addresses of servers."""
    ours = {variable for variable, _ in ADDRESSES.values()}
    return {name: value for name, value in os.environ.items() if name not in ours}
