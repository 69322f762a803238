"""The audit log: only ever longer, and read in pages."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tortoise.exceptions import IntegrityError

from libs.db.database import Database
from libs.db.errors import constraint
from libs.db.unit_of_work import unit_of_work
from libs.events.envelope import Envelope
from libs.ids import uuid7
from services.worker.audit.repository import AuditRepository, Position, newest
from services.worker.audit.schemas import Filters
from tests.events import envelope_of
from tests.integration.worker.conftest import Worker
from tests.unit.worker.fakes import order_confirmed, order_placed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def _append(db: Database, *envelopes: Envelope) -> None:
    async with unit_of_work(db):
        for envelope in envelopes:
            await AuditRepository().append(envelope)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_records SET actor = 'nobody'",
        "DELETE FROM audit_records",
        "DELETE FROM audit_records WHERE false",
        "TRUNCATE audit_records",
    ],
)
async def test_it_is_append_only(db: Database, statement: str) -> None:
    await _append(db, envelope_of(order_placed()))
    with pytest.raises(IntegrityError) as refused:
        await db.execute(statement)
    assert constraint(refused.value) == "audit_records_append_only"
    assert len(await db.rows("SELECT FROM audit_records WHERE actor = 'user-1'")) == 1


async def test_an_event_is_there_once_even_if_the_inbox_has_forgotten_it(db: Database) -> None:
    envelope = envelope_of(order_placed())
    await _append(db, envelope, envelope)
    await _append(db, envelope)
    assert len(await db.rows("SELECT FROM audit_records")) == 1


async def _pages(worker: Worker, **params: Any) -> list[Sequence[dict[str, Any]]]:
    """All pages of the log."""
    pages: list[Sequence[dict[str, Any]]] = []
    while True:
        answer = await worker.http.get("/v1/audit", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages.append(page["items"])
        if page["nextCursor"] is None:
            return pages
        params["cursor"] = page["nextCursor"]


async def test_pages_are_whole_and_the_newest_event_comes_first(worker: Worker) -> None:
    """Several events of one moment, and some that are recorded after later ones."""
    times = [NOON + timedelta(microseconds=offset) for offset in (5, 1, 1, 1, 1, 9, 0, 7, 1)]
    await _append(worker.db, *(envelope_of(order_placed(), time=time) for time in times))
    pages = await _pages(worker, limit=2)
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
    ids = [item["id"] for page in pages for item in page]
    rows = await worker.db.rows("SELECT id FROM audit_records ORDER BY occurred_at DESC, id DESC")
    assert ids == [str(row["id"]) for row in rows]


async def test_an_event_that_comes_meanwhile_moves_nothing(worker: Worker) -> None:
    old = [envelope_of(order_placed(), time=NOON + timedelta(seconds=n)) for n in range(4)]
    await _append(worker.db, *old)
    first = (await worker.http.get("/v1/audit", params={"limit": 2})).json()
    await _append(worker.db, envelope_of(order_placed(), time=NOON + timedelta(hours=1)))
    second = await worker.http.get("/v1/audit", params={"limit": 2, "cursor": first["nextCursor"]})
    seen = [item["eventId"] for item in (*first["items"], *second.json()["items"])]
    assert seen == [str(envelope.id) for envelope in reversed(old)]


async def test_a_full_last_page_has_no_next_one(worker: Worker) -> None:
    await _append(worker.db, envelope_of(order_placed()), envelope_of(order_placed()))
    assert [len(page) for page in await _pages(worker, limit=2)] == [2]


async def test_it_can_be_searched(worker: Worker) -> None:
    placed = envelope_of(order_placed(), context_id="ctx-searched")
    confirmed = envelope_of(order_confirmed(), context_id="ctx-searched")
    other = envelope_of(order_placed())
    await _append(worker.db, placed, confirmed, other)
    for params, expected in (
        ({"contextId": "ctx-searched"}, {placed.id, confirmed.id}),
        ({"subject": placed.subject}, {placed.id}),
        ({"type": "OrderPlaced"}, {placed.id, other.id}),
        ({"contextId": "ctx-searched", "type": "OrderPlaced"}, {placed.id}),
        ({"contextId": "ctx-searched", "subject": other.subject}, set()),
    ):
        found = [item["eventId"] for page in await _pages(worker, **params) for item in page]
        assert sorted(found) == sorted(map(str, expected)), params


async def test_an_item(worker: Worker) -> None:
    order = order_placed()
    envelope = envelope_of(order, time=NOON, causation_id="the-cause")
    await _append(worker.db, envelope)
    ((item,),) = await _pages(worker)
    assert item == {
        "id": item["id"],
        "occurredAt": "2026-11-20T12:00:00.000Z",
        "recordedAt": item["recordedAt"],
        "eventId": str(envelope.id),
        "type": "OrderPlaced",
        "source": "/throughline/sender",
        "subject": str(order.order_id),
        "contextId": envelope.context_id,
        "causationId": "the-cause",
        "actor": "user-1",
        "data": json.loads(envelope.data),
    }


async def test_a_cursor_is_bound_to_its_filters(worker: Worker) -> None:
    await _append(worker.db, *(envelope_of(order_placed()) for _ in range(2)))
    page = (await worker.http.get("/v1/audit", params={"limit": 1})).json()
    for params in (
        {"cursor": page["nextCursor"], "type": "OrderPlaced"},
        {"cursor": "nonsense"},
    ):
        answer = await worker.http.get("/v1/audit", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("contextId=short", "/query/contextId"),
        ("type=Order+Placed", "/query/type"),
        ("subject=", "/query/subject"),
    ],
)
async def test_a_malformed_question_is_refused(worker: Worker, query: str, pointer: str) -> None:
    answer = await worker.http.get(f"/v1/audit?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "audit_records_by_time"),
        (Filters(context_id="context-7"), "audit_records_of_context"),
        (Filters(subject="subject-7"), "audit_records_of_subject"),
        (Filters(type="Type3"), "audit_records_of_type"),
    ],
)
async def test_a_page_is_found_by_an_index(db: Database, filters: Filters, index: str) -> None:
    """However long the log: PostgreSQL neither reads all of it nor sorts."""
    await db.execute(_MANY)
    await db.execute("ANALYZE audit_records")
    after = Position(NOON, uuid7())
    plan = "".join(
        row["QUERY PLAN"] for row in await newest(filters, after=after, limit=21).explain()
    )
    assert f'"Index Name": "{index}"' in plan
    assert "Sort" not in plan


_MANY = """
INSERT INTO audit_records
    (id, occurred_at, event_id, type, source, subject, context_id, data)
SELECT gen_random_uuid(), timestamptz '2026-11-20 12:00Z' - n * interval '1 second',
       gen_random_uuid(), 'Type' || n % 5, '/throughline/test', 'subject-' || n % 100,
       'context-' || n % 100, '{}'
  FROM generate_series(-10000, 10000) AS n"""
