"""The document database over a real server."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import odmantic
import pytest
from odmantic import Field, Model
from pydantic import SecretStr
from pymongo.errors import DuplicateKeyError

from libs.context import RequestContext, use
from libs.documents.documents import Documents
from libs.documents.settings import DocumentsSettings
from libs.embedded.server import free_port
from libs.errors import DeadlineExceeded, Unavailable
from tests.integration.own_servers import OwnMongo
from tests.waiting import until


class Thing(Model):
    model_config = {"collection": "things"}

    id: UUID = Field(primary_field=True, default_factory=uuid4)
    name: str
    made_at: datetime


@pytest.fixture
async def mongo(tmp_path: Path) -> AsyncIterator[OwnMongo]:
    server = OwnMongo(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def impatient(mongo: OwnMongo, settings: DocumentsSettings) -> AsyncIterator[Documents]:
    """A client of that server."""
    shared = Documents()
    url = SecretStr(mongo.url)
    shared.configure(settings.model_copy(update={"url": url, "timeout_ms": 300}))
    await shared.open()
    await shared.ping()
    yield shared
    await shared.close()


@pytest.fixture
async def nobody(settings: DocumentsSettings) -> AsyncIterator[Documents]:
    shared = Documents()
    address = SecretStr(f"mongodb://127.0.0.1:{free_port()}/?directConnection=true")
    shared.configure(settings.model_copy(update={"url": address, "timeout_ms": 200}))
    await shared.open()
    yield shared
    await shared.close()


async def test_ping(documents: Documents) -> None:
    await documents.ping()


async def test_models_keep_their_types(documents: Documents) -> None:
    thing = Thing(name="one", made_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))
    async with documents.operation():
        await documents.engine.save(thing)
        found = await documents.engine.find_one(Thing, Thing.id == thing.id)
        raw = await documents.collection("things").find_one({"_id": thing.id})
    assert found == thing
    assert found is not None
    assert found.made_at.tzinfo is not None
    assert raw is not None
    assert isinstance(raw["_id"], UUID)
    assert raw["made_at"] == thing.made_at


async def test_writes_wait_for_the_majoritys_journals(documents: Documents) -> None:
    concern = documents.engine.client.write_concern
    assert concern.document == {"w": "majority", "j": True}


async def test_a_duplicate_key_is_the_repositorys_to_translate(documents: Documents) -> None:
    thing = Thing(name="one", made_at=datetime.now(UTC))
    async with documents.operation():
        await documents.collection("things").insert_one({"_id": thing.id})
    with pytest.raises(DuplicateKeyError):
        async with documents.operation():
            await documents.collection("things").insert_one({"_id": thing.id})


async def test_nobody_listens(nobody: Documents) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        await nobody.ping()
    assert time.monotonic() - started < 1
    assert type(raised.value) is Unavailable
    assert "127.0.0.1" not in raised.value.detail


async def test_a_server_that_hangs_is_given_up_and_found_again(
    impatient: Documents, mongo: OwnMongo
) -> None:
    await mongo.pause()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        async with impatient.operation():
            await impatient.collection("things").find_one({})
    assert time.monotonic() - started < 1
    mongo.resume()

    async def answers() -> bool:
        with suppress(Unavailable):
            await impatient.ping()
            return True
        return False

    await until(answers, "the server is found again")


async def test_the_contexts_deadline_holds(impatient: Documents, mongo: OwnMongo) -> None:
    await mongo.pause()
    deadline = time.monotonic() + 0.2
    context = RequestContext(context_id="ctx-12345678", service="api", deadline=deadline)
    with use(context), pytest.raises(DeadlineExceeded):
        async with impatient.operation():
            await impatient.collection("things").find_one({})
    assert time.monotonic() - deadline < 0.5


async def test_odmantics_errors_of_the_network_are_translated_too(nobody: Documents) -> None:
    with pytest.raises(Unavailable):
        async with nobody.operation():
            await nobody.engine.save(Thing(name="one", made_at=datetime.now(UTC)))


async def test_odmantics_duplicate_key_passes(documents: Documents) -> None:
    async with documents.operation():
        await documents.collection("things").create_index("name", unique=True)
        await documents.engine.save(Thing(name="one", made_at=datetime.now(UTC)))
    with pytest.raises(odmantic.exceptions.DuplicateKeyError):
        async with documents.operation():
            await documents.engine.save(Thing(name="one", made_at=datetime.now(UTC)))
