"""From an event on the broker to what comes of it."""

import json
from decimal import Decimal
from typing import Any

import pytest

from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.contracts.worker import OrderAssessed
from libs.db.database import Database
from libs.db.drift import drift
from libs.db.migrate import pending
from libs.errors import Unavailable
from libs.events.envelope import Envelope
from libs.ids import uuid7
from tests.integration.databases import ModuleDatabase
from tests.integration.worker.conftest import Worker
from tests.unit.worker.fakes import (
    money,
    order_cancelled,
    order_changed,
    order_confirmed,
    order_deleted,
    order_placed,
)
from tests.waiting import until

HANDLERS_OF_PLACED = {"assessments", "audit"}


async def test_the_tables_are_those_of_the_models(
    db: Database, worker_database: ModuleDatabase
) -> None:
    assert await drift(db) == []
    assert await pending([worker_database.migrations]) == {"worker": []}


async def test_an_order_that_comes_twice_is_assessed_once(worker: Worker) -> None:
    order = order_placed()
    placed = await worker.publish(order)
    await worker.deliver_again(placed)
    last = await worker.publish(order_placed())

    async def two_are_published() -> bool:
        handled = await worker.handled(last) == HANDLERS_OF_PLACED
        return handled and len(worker.published("assessments")) >= 2

    await until(two_are_published, "two assessments")
    envelopes = [Envelope.from_record(record) for record in worker.published("assessments")]
    mine = [envelope for envelope in envelopes if envelope.subject == str(order.order_id)]
    assert len(envelopes) == 2
    assert len(mine) == 1
    assert await worker.count("outbox") == 2
    (assessed,) = mine
    assert assessed.source == "/throughline/worker"
    assert assessed.context_id == placed.context_id
    assert assessed.causation_id == str(placed.id)
    assert assessed.actor == placed.actor
    event = OrderAssessed.from_json(assessed.data)
    assert event.reporting_total == money("13.58", "USD")
    assert event.rate == Decimal("1.0868")
    assert json.loads(assessed.data)["rate"] == "1.0868"


async def test_an_order_waits_for_its_rate_and_the_audit_does_not(worker: Worker) -> None:
    worker.reference.failing["rate"] = Unavailable()
    placed = await worker.publish(order_placed())
    await until(lambda: len(worker.reference.asked) >= 3, "another attempt")
    assert await worker.handled(placed) == {"audit"}
    worker.reference.failing.clear()
    await until(lambda: len(worker.published("assessments")) == 1, "the assessment")


async def test_an_order_in_an_unknown_currency_is_put_aside(worker: Worker) -> None:
    await worker.publish(order_placed(total=money("1.00", "XXX")))
    await until(lambda: worker.published("worker.dead-letter"), "the dead letter")
    assert len(worker.reference.asked) == 1
    assert await worker.count("outbox") == 0


async def test_a_confirmed_order_is_told_to_its_customer_once(worker: Worker) -> None:
    event = order_confirmed()
    confirmed = await worker.publish(event)
    await worker.deliver_again(confirmed)
    last = await worker.publish(order_confirmed())

    async def both() -> bool:
        return await worker.handled(last) == {"notifications", "audit"} and (
            await worker.handled(confirmed) == {"notifications", "audit"}
        )

    await until(both, "both notifications")
    (row,) = await worker.db.rows(
        "SELECT * FROM notifications WHERE user_id = $1", event.customer_id
    )
    assert (row["kind"], row["status"]) == ("order_confirmed", "stored")
    assert row["context_id"] == confirmed.context_id
    assert row["created_by"] == confirmed.actor
    assert str(event.order_id) in row["body"]
    assert await worker.count("notifications") == 2


async def test_a_cancelled_order_is_told_to_its_customer(worker: Worker) -> None:
    event = order_cancelled()
    cancelled = await worker.publish(event)

    async def told() -> bool:
        return await worker.handled(cancelled) == {"notifications", "audit"}

    await until(told, "the notification")
    (row,) = await worker.db.rows("SELECT user_id, kind FROM notifications")
    assert row == {"user_id": event.customer_id, "kind": "order_cancelled"}


async def test_an_order_that_is_changed_is_assessed_anew(worker: Worker) -> None:
    order = order_changed()
    await worker.publish(order)
    await until(lambda: worker.published("assessments"), "the assessment")
    (record,) = worker.published("assessments")
    event = OrderAssessed.from_json(Envelope.from_record(record).data)
    assert (event.order_id, event.order_version) == (order.order_id, 2)
    assert event.reporting_total == money("27.17", "USD")


async def test_every_event_is_audited_as_it_came(worker: Worker) -> None:
    user: dict[str, Any] = {"user_id": uuid7(), "revision": 1}
    profile = {**user, "display_name": "Ada", "country": "DE", "roles": ("customer",)}
    events = [
        UserCreated(**profile),
        UserUpdated(**profile),
        UserDeleted(**user),
        order_placed(),
        order_changed(status="CONFIRMED"),
        order_confirmed(),
        order_cancelled(),
        order_deleted(),
    ]
    envelopes = [await worker.publish(event, causation_id=str(uuid7())) for event in events]
    newer = await worker.publish(
        events[0], version=2, data=events[0].to_json()[:-1] + b',"nickname":"Countess"}'
    )

    async def all_are_there() -> bool:
        # and what the worker itself says to the order
        return await worker.count("audit_records") == len(envelopes) + 2

    await until(all_are_there, "all records")
    rows = {row["event_id"]: row for row in await worker.db.rows("SELECT * FROM audit_records")}
    assert [row["type"] for row in rows.values()].count("OrderAssessed") == 1
    for envelope in (*envelopes, newer):
        row = rows[envelope.id]
        assert json.loads(row["data"]) == json.loads(envelope.data)
        assert row["occurred_at"] == envelope.time
        assert row["recorded_at"] >= envelope.time
        for name in ("type", "source", "subject", "context_id", "causation_id", "actor"):
            assert row[name] == getattr(envelope, name)


@pytest.mark.parametrize(
    ("role", "status"), [("auditor", 200), ("admin", 200), ("customer", 403), ("support", 403)]
)
async def test_the_log_is_for_auditors(worker: Worker, role: str, status: int) -> None:
    answer = await worker.http.get("/v1/audit", headers={"authorization": f"Bearer {role}"})
    assert answer.status_code == status
