"""Settings of a worker, for tests."""

from collections.abc import Mapping
from typing import cast

from libs.config import load
from libs.settings import HostSettings
from services.worker.module import MODULE, NAME
from services.worker.settings import WorkerSettings

ENVIRON: Mapping[str, str] = {
    "THROUGHLINE_ENVIRONMENT": "test",
    "THROUGHLINE_AUTH_URL": "http://auth.test",
    "THROUGHLINE_INTEGRATIONS_URL": "http://integrations.test",
    "THROUGHLINE_WORKER_DATABASE_URL": "postgresql://worker:secret@localhost/throughline",
    "THROUGHLINE_WORKER_CLIENT_SECRET": "a secret",
    "THROUGHLINE_REDIS_URL": "redis://localhost:6379/0",
    "THROUGHLINE_CURSOR_SECRET": "signs the cursors of tests",
}


def settings(**more: str) -> WorkerSettings:
    """A worker's settings; `more` are variables without their common beginning."""
    given = {**ENVIRON, **{f"THROUGHLINE_{name}": value for name, value in more.items()}}
    return cast(WorkerSettings, load(given, HostSettings, [MODULE]).modules[NAME])
