"""What needs no server."""

import pytest
from odmantic import AIOEngine
from pydantic import SecretStr

from libs.context import RequestContext, transaction_open, use
from libs.documents.collections import Collection
from libs.documents.documents import Documents
from libs.documents.settings import DocumentsSettings
from libs.documents.versions import Versions
from libs.errors import DeadlineExceeded


def _settings(database: str = "throughline") -> DocumentsSettings:
    return DocumentsSettings(url=SecretStr("mongodb://nowhere.invalid"), database=database)


def _configured() -> Documents:
    documents = Documents()
    documents.configure(_settings())
    return documents


def test_modules_share_it_if_they_mean_the_same() -> None:
    documents = _configured()
    documents.configure(_settings())
    with pytest.raises(ValueError, match="settings differ"):
        documents.configure(_settings("other"))


async def test_opening_connects_to_nothing() -> None:
    documents = Documents()
    await documents.open()
    documents.configure(_settings())
    await documents.open()
    assert isinstance(documents.engine, AIOEngine)
    await documents.close()
    await documents.close()


async def test_it_must_be_open() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = _configured().engine
    with pytest.raises(RuntimeError, match="not open"):
        async with Documents().operation():
            pass


async def test_not_inside_a_transaction() -> None:
    token = transaction_open.set(True)
    try:
        with pytest.raises(RuntimeError, match="inside a transaction"):
            async with _configured().operation():
                pass
    finally:
        transaction_open.reset(token)


async def test_not_without_time_left() -> None:
    late = RequestContext(context_id="ctx-12345678", service="api", deadline=0.0)
    with use(late), pytest.raises(DeadlineExceeded):
        async with _configured().operation():
            pass


def test_a_collection_is_declared_once() -> None:
    documents = Documents()
    things = Collection(name="things", versions=Versions(), parse=dict, indexes=())
    documents.declare(things)
    documents.declare(things)
    assert documents.declared == (things,)
    with pytest.raises(ValueError, match="declared twice"):
        documents.declare(
            Collection(name="things", versions=Versions(), parse=dict, indexes=(), kept=("x",))
        )
