"""A database of each test's own in the server that the tests share."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from libs.documents.documents import Documents
from libs.documents.settings import DocumentsSettings


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
