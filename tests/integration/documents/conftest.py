"""A MongoDB-compatible server, and a database of each test's own in it."""

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr

from libs.documents.documents import Documents
from libs.documents.settings import DocumentsSettings
from libs.embedded.mongo import Mongo


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongo]:
    server = Mongo(tmp_path_factory.mktemp("mongo"), environ=os.environ)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def mongo_url(mongo: Mongo) -> str:
    return mongo.url


@pytest.fixture
def settings(mongo_url: str) -> DocumentsSettings:
    return DocumentsSettings(url=SecretStr(mongo_url), database=f"test_{uuid4().hex}")


@pytest.fixture
async def documents(settings: DocumentsSettings) -> AsyncIterator[Documents]:
    shared = Documents()
    shared.configure(settings)
    await shared.open()
    yield shared
    await shared.close()
