"""What each worker has of the servers that the tests share: databases of its own."""

import asyncio
import os

import pytest

from tests.integration.databases import create_database
from tests.servers import REDIS_DATABASES, Servers


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The addresses, for an administrator."""
    return Servers.found()


@pytest.fixture(scope="session")
def postgres_url(servers: Servers) -> str:
    """The administrator's, with a database of the worker's own.

    That is where `bootstrap` has its lock, so that workers need not wait for each other.
    """
    return asyncio.run(create_database(servers.postgres, "worker"))


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """A logical database of the worker's own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    number = int(worker.removeprefix("gw"))
    assert number < REDIS_DATABASES
    return f"{servers.valkey.rpartition('/')[0]}/{number}"


@pytest.fixture(scope="session")
def mongo_url(servers: Servers) -> str:
    """All workers', who have databases of their own there."""
    return servers.mongo
