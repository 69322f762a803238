from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.contracts.api import OrderConfirmed, OrderPlaced
from libs.contracts.auth import UserDeleted, UserUpdated
from libs.contracts.worker import OrderAssessed
from libs.ids import uuid7
from libs.schema import Money
from tests.integration.api.system import System, json
from tests.waiting import until


def _assessed(order_id: str, version: int = 1) -> OrderAssessed:
    return OrderAssessed(
        order_id=UUID(order_id),
        order_version=version,
        reporting_total=Money(amount=Decimal("1359.38"), currency="USD"),
        rate=Decimal("1.0875"),
        rate_as_of=date(2026, 1, 30),
        stale=False,
        due_on=date(2026, 2, 2),
    )


async def _handled(system: System, event_id: UUID) -> None:
    """Wait until an event is in the inbox."""

    query = "SELECT 1 FROM inbox WHERE event_id = $1"
    await until(lambda: system.rows(query, event_id), what=f"event {event_id}")


async def test_an_order_goes_from_placed_to_confirmed(working: System) -> None:
    ada = working.user()
    response = await working.place(ada)
    order = json(response)
    path = response.headers["location"]
    [placed] = await until(lambda: working.bus.events("orders"), what="OrderPlaced")
    assert placed.type == "OrderPlaced"
    assert placed.context_id == response.headers["x-context-id"]
    assert str(OrderPlaced.from_json(placed.data).order_id) == order["id"]

    assessed = await working.bus.tell(_assessed(order["id"]))
    _, confirmed = await until(
        lambda: working.bus.events("orders")[1:] and working.bus.events("orders"),
        what="OrderConfirmed",
    )
    assert (confirmed.type, confirmed.causation_id) == ("OrderConfirmed", str(assessed.id))
    assert confirmed.context_id == assessed.context_id
    event = OrderConfirmed.from_json(confirmed.data)
    assert (event.customer_id, event.reporting_total.amount) == (ada.id, Decimal("1359.38"))

    response = await working.get(ada, path)
    after = json(response)
    assert response.headers["etag"] == '"2"'
    assert (after["status"], after["version"]) == ("CONFIRMED", 2)
    assert after["assessment"] == {
        "reportingTotal": {"amount": "1359.38", "currency": "USD"},
        "rate": "1.0875",
        "rateAsOf": "2026-01-30",
        "stale": False,
        "dueOn": "2026-02-02",
    }
    assert after["updatedAt"] >= after["placedAt"]


async def test_an_event_that_comes_twice_has_one_effect(working: System) -> None:
    order = json(await working.place(working.user()))
    event_id = uuid7()
    for _ in range(2):
        await working.bus.tell(_assessed(order["id"]), event_id=event_id)
    last = await working.bus.tell(_assessed(order["id"]))
    await _handled(working, last.id)
    types = await working.rows("SELECT type FROM outbox ORDER BY seq")
    assert [row["type"] for row in types] == ["OrderPlaced", "OrderConfirmed"]


async def test_an_order_that_is_not_pending_is_left_alone(working: System) -> None:
    ada = working.user()
    response = await working.place(ada)
    await working.database.execute("UPDATE orders SET status = 'CANCELLED'")
    event = await working.bus.tell(_assessed(json(response)["id"]))
    await _handled(working, event.id)
    unknown = await working.bus.tell(_assessed(str(uuid7())))
    await _handled(working, unknown.id)
    after = json(await working.get(ada, response.headers["location"]))
    assert (after["status"], after["assessment"], after["version"]) == ("CANCELLED", None, 1)
    assert (await working.counts())["outbox"] == 1


async def test_a_changed_order_waits_for_its_new_assessment(working: System) -> None:
    ada = working.user()
    response = await working.place(ada)
    path, order_id = response.headers["location"], json(response)["id"]
    await working.change(ada, path, {"note": "Ring twice"}, version=1)
    late = await working.bus.tell(_assessed(order_id, version=1))
    await _handled(working, late.id)
    assert json(await working.get(ada, path))["status"] == "PENDING"
    event = await working.bus.tell(_assessed(order_id, version=2))
    await _handled(working, event.id)
    after = json(await working.get(ada, path))
    assert (after["status"], after["version"], after["note"]) == ("CONFIRMED", 3, "Ring twice")
    assert await working.events() == ["OrderPlaced", "OrderChanged", "OrderConfirmed"]


async def test_a_deleted_order_is_not_confirmed(working: System) -> None:
    response = await working.place(working.user())
    await working.delete(working.user("admin"), response.headers["location"], version=1)
    event = await working.bus.tell(_assessed(json(response)["id"], version=2))
    await _handled(working, event.id)
    assert await working.events() == ["OrderPlaced", "OrderDeleted"]


async def test_customers_follow_users(working: System) -> None:
    ada = working.user()
    await working.bus.tell(ada.created())
    values = ada.created(revision=3, display_name="Ada K", country="AT").model_dump()
    await working.bus.tell(UserUpdated.model_validate(values))
    late = await working.bus.tell(UserUpdated.model_validate({**values, "revision": 2}))
    await _handled(working, late.id)
    [row] = await working.rows("SELECT id, name, country, revision, deleted_at FROM customers")
    assert row == {
        "id": ada.id,
        "name": "Ada K",
        "country": "AT",
        "revision": 3,
        "deleted_at": None,
    }
    gone = await working.bus.tell(UserDeleted(user_id=ada.id, revision=4))
    await _handled(working, gone.id)
    [row] = await working.rows("SELECT name, deleted_at FROM customers")
    assert row["name"] == ""
    assert row["deleted_at"] is not None
    assert (await working.place(ada)).status_code == 403


async def test_a_customer_who_came_with_an_order_is_brought_up_to_date(working: System) -> None:
    ada = working.user()
    await working.place(ada)
    event = await working.bus.tell(ada.created(revision=2, display_name="Ada K"))
    await _handled(working, event.id)
    [row] = await working.rows("SELECT name, revision, version FROM customers")
    assert row == {"name": "Ada K", "revision": 2, "version": 2}


async def _health(system: System) -> dict[str, Any]:
    """The dependencies, once all of them are there."""
    report: dict[str, Any] = json(await system.http.get("/health"))
    return report["dependencies"] if report["status"] == "up" else {}


async def test_the_process_is_healthy(working: System) -> None:
    dependencies = await until(lambda: _health(working), what="all dependencies")
    assert {name: d["critical"] for name, d in dependencies.items()} == {
        "api.database": True,
        "mongo": True,
        "redis": False,
        "api.relay": False,
        "api.consumer": False,
    }
    assert (await working.http.get("/health/ready")).status_code == 200
