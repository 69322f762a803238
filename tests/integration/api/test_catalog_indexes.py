"""Each query about services is answered by its index: the server is asked with `explain`.

What is explained is what was sent. SecantusDB says which index it uses and how many documents it
looked at; that an index gives the order too it says only of the simplest queries, so that is a unit
test's (`tests/unit/api/test_catalog_queries.py`).
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import pytest
from bson.codec_options import CodecOptions
from pymongo.monitoring import CommandStartedEvent

from libs.db.database import Database, Databases
from libs.db.idempotency import IdempotencyKeys
from libs.documents.command_log import CommandLog
from libs.documents.documents import Documents
from libs.documents.migration import Migration
from libs.documents.outbox import MARKED, MARKED_AT, WAITING, DocumentOutbox
from services.api.catalog.documents import (
    BY_ACTIVE,
    BY_CATEGORY,
    BY_NAME,
    BY_TAG,
    COLLECTION,
    SERVICES,
    Price,
    new,
    to_document,
)
from services.api.catalog.seed import services
from tests.integration.api.services import PATH, Admin, service_of
from tests.integration.api.system import EUR_DAY, System

COUNT: Final = 300
DEMO: Final = len(services())
OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(uuid_representation=4)
SENT: Final = ("find", "update", "filter", "sort", "limit", "hint", "projection", "updates")


class Commands:
    """The commands to MongoDB, and what it says of them."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.sent: list[dict[str, Any]] = []

    def note(self, event: CommandStartedEvent) -> None:
        if event.command_name in ("find", "update"):
            self.sent.append({n: event.command[n] for n in SENT if n in event.command})

    async def explain(self) -> tuple[str, int]:
        """The index that the last one uses, and how many documents are looked at for it."""
        command = self.sent[-1]
        database = self._documents.engine.database
        told = await database.command(
            "explain", command, verbosity="executionStats", codec_options=OPTIONS
        )
        stages = list(_stages(told["queryPlanner"]["winningPlan"]))
        assert "COLLSCAN" not in [stage["stage"] for stage in stages], stages
        (index,) = (stage["indexName"] for stage in stages if stage["stage"] == "IXSCAN")
        return index, told["executionStats"]["totalDocsExamined"]


def _stages(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in (plan.get("inputStage"), *plan.get("inputStages", ())):
        if inner is not None:
            yield from _stages(inner)


@pytest.fixture
async def commands(system: System, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """With a collection in which an index makes a difference."""
    documents = system.runtime.share(Documents)
    every = [
        new(
            UUID(int=n),
            by=None,
            slug=f"s-{n}",
            name=f"Service {n:04}",
            category=f"c-{n % 4}",
            description="",
            price=Price(amount=Decimal(1), currency="EUR"),
            tags=[f"t-{n % 5}"],
            active=n % 3 != 0,
            config={},
        )
        for n in range(COUNT)
    ]
    await documents.collection(COLLECTION).insert_many(map(to_document, every))
    commands = Commands(documents)
    started = CommandLog.started

    def noted(self: CommandLog, event: CommandStartedEvent) -> None:
        commands.note(event)
        started(self, event)

    monkeypatch.setattr(CommandLog, "started", noted)
    return commands


FILTERS: Final = [
    {n: v for n, v in zip(("tag", "category", "active"), values, strict=True) if v is not None}
    for values in product(("t-3", None), ("c-3", None), ("true", "false", None))
]


MOST: Final = {
    "tag": (BY_TAG, COUNT / 5),
    "category": (BY_CATEGORY, COUNT / 4),
    "active": (BY_ACTIVE, COUNT * 2 / 3 + DEMO),
    "": (BY_NAME, COUNT + DEMO),
}
"""The index for a list by its narrowest filter, and how many documents are in that part of it."""


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_a_list(system: System, commands: Commands, filters: dict[str, str]) -> None:
    index, most = next(MOST[name] for name in MOST if name in filters or not name)
    user, query = system.user(), urlencode({"limit": 1, **filters})
    first = await system.get(user, f"{PATH}?{query}")
    for response in (first, await system.get(user, first.links["next"]["url"])):
        assert response.status_code == 200
        used, examined = await commands.explain()
        assert used == index.name
        assert examined <= most


async def test_a_deep_page_looks_at_no_more_than_what_is_left(
    system: System, commands: Commands
) -> None:
    user, path = system.user(), f"{PATH}?category=c-3&limit=25"
    examined: list[int] = []
    while True:
        response = await system.get(user, path)
        examined.append((await commands.explain())[1])
        if "next" not in response.links:
            break
        path = response.links["next"]["url"]
    assert examined == [75, 50, 25]


async def test_a_service(system: System, commands: Commands) -> None:
    await system.get(system.user(), f"{PATH}/{EUR_DAY}")
    assert await commands.explain() == ("_id_", 1)


async def test_what_a_key_has_made(system: System, commands: Commands) -> None:
    admin = Admin.of(system)
    await admin.create(service_of("a"))
    refused = await admin.create(service_of("a"), key="k")
    assert refused.status_code == 409
    assert "made_by.key" in commands.sent[-1]["filter"]
    assert (await commands.explain())[0] == MARKED.name


async def test_what_waits(system: System, commands: Commands) -> None:
    outbox = DocumentOutbox(
        system.runtime.share(Documents), COLLECTION, _database(system), _keys(system)
    )
    await outbox.overdue(timedelta(0), limit=10)
    assert await commands.explain() == (WAITING.name, 0)
    await outbox.forget_marks(timedelta(0))
    assert commands.sent[-1]["updates"][0]["hint"] == MARKED_AT.name


def _database(system: System) -> Database:
    (database,) = system.runtime.share(Databases)._databases.values()
    return database


def _keys(system: System) -> IdempotencyKeys:
    return IdempotencyKeys(_database(system))


async def test_what_is_to_be_migrated(system: System, commands: Commands) -> None:
    documents = system.runtime.share(Documents)
    older = {"$set": {"schema_version": 2}}
    await documents.collection(COLLECTION).update_many({"category": "c-3"}, older)
    await Migration(documents, SERVICES, dry_run=True).run()
    assert commands.sent[-1]["filter"]["schema_version"] == 2
    index, examined = await commands.explain()
    assert index == "schema_version"
    assert examined <= COUNT / 4
