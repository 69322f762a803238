"""PATCH, cancel and DELETE: an order after it was placed."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.contracts.api import OrderCancelled, OrderChanged, OrderDeleted
from libs.db.database import Databases
from libs.ids import uuid7
from libs.schema import timestamp
from services.api.orders.errors import IllegalStatusChange
from services.api.orders.models import Status
from services.api.orders.repository import OrderRepository
from tests.integration.api.system import EUR_DAY, EUR_GIB, RETIRED, System, User, json, order_of

CONFIRMED = (
    "UPDATE orders SET status = 'CONFIRMED', version = 2, reporting_total = 1,"
    " reporting_currency = 'EUR', rate = 1, rate_as_of = '2026-01-30', stale = false,"
    " due_on = '2026-02-02'"
)


class Placed:
    """Somebody with an order."""

    def __init__(self, user: User, response: httpx.Response) -> None:
        self.user = user
        self.path = response.headers["location"]
        self.shown = json(response)
        self.id = UUID(self.shown["id"])


@pytest.fixture
async def order(system: System) -> Placed:
    ada = system.user()
    return Placed(ada, await system.place(ada, order_of(EUR_DAY, note="Ring twice")))


def _lines(*services: UUID, quantity: int = 1) -> dict[str, Any]:
    return {"lines": order_of(*services, quantity=quantity)["lines"]}


async def test_a_note_is_changed(system: System, order: Placed) -> None:
    response = await system.change(order.user, order.path, {"note": "Knock"}, version=1)
    assert response.status_code == 200, response.text
    changed = json(response)
    assert response.headers["etag"] == '"2"'
    expected = {"note": "Knock", "version": 2, "updatedAt": changed["updatedAt"]}
    assert changed == {**order.shown, **expected}
    assert changed["updatedAt"] >= order.shown["placedAt"]
    assert (await system.get(order.user, order.path)).content == response.content


async def test_lines_are_replaced_at_todays_prices(system: System, order: Placed) -> None:
    body = _lines(EUR_GIB, EUR_DAY, quantity=2)
    response = await system.change(order.user, order.path, body, version=1)
    changed = json(response)
    assert response.status_code == 200, changed
    amounts = [(line["serviceId"], line["amount"]["amount"]) for line in changed["lines"]]
    assert amounts == [(str(EUR_GIB), "0.18"), (str(EUR_DAY), "2500.00")]
    assert changed["total"] == {"amount": "2500.18", "currency": "EUR"}
    assert changed["note"] == "Ring twice"
    assert (await system.get(order.user, order.path)).content == response.content
    assert (await system.counts())["order_lines"] == 2


async def test_a_change_is_told_of(system: System, order: Placed) -> None:
    await system.change(system.user("admin"), order.path, _lines(EUR_DAY, EUR_DAY), version=1)
    rows = await system.rows("SELECT type, topic, subject, payload FROM outbox ORDER BY seq")
    event = OrderChanged.from_json(rows[1].pop("payload").encode())
    assert rows[1] == {"type": "OrderChanged", "topic": "orders", "subject": str(order.id)}
    assert (event.order_id, event.customer_id) == (order.id, order.user.id)
    assert (event.order_version, event.status, event.country) == (2, "PENDING", "DE")
    assert event.total.amount == Decimal("2500.00")
    assert timestamp(event.placed_at) == order.shown["placedAt"]


@pytest.mark.parametrize("body", [{}, {"note": "Ring twice"}, _lines(EUR_DAY)])
async def test_what_changes_nothing_is_no_change(
    system: System, order: Placed, body: dict[str, Any]
) -> None:
    response = await system.change(order.user, order.path, body, version=1)
    assert (response.status_code, json(response)) == (200, order.shown)
    assert await system.events() == ["OrderPlaced"]


async def test_null_takes_a_note_away(system: System, order: Placed) -> None:
    response = await system.change(order.user, order.path, {"note": None}, version=1)
    assert json(response)["note"] is None
    assert json(await system.get(order.user, order.path))["note"] is None


INVALID: list[tuple[object, str]] = [
    ({"lines": None}, "/lines"),
    ({"lines": []}, "/lines"),
    (_lines(*[EUR_DAY] * 51), "/lines"),
    (_lines(EUR_DAY, quantity=0), "/lines/0/quantity"),
    ({"note": "x" * 1001}, "/note"),
    ({"note": "a\0b"}, "/note"),
    ({"note": "\x1b[31m"}, "/note"),
    ({"note": 1}, "/note"),
    ({"currency": "USD"}, "/currency"),
    ({"status": "CONFIRMED"}, "/status"),
    ([], ""),
]


@pytest.mark.parametrize(("body", "pointer"), INVALID)
async def test_what_is_wrong_is_pointed_at(
    system: System, order: Placed, body: object, pointer: str
) -> None:
    response = await system.change(order.user, order.path, body, version=1)
    problem = json(response)
    assert (response.status_code, problem["code"]) == (422, "invalid_input")
    assert problem["errors"][0]["pointer"] == pointer


async def test_a_service_that_cannot_be_ordered_is_refused(system: System, order: Placed) -> None:
    body = _lines(EUR_DAY, RETIRED)
    response = await system.change(order.user, order.path, body, version=1)
    problem = json(response)
    assert (response.status_code, problem["code"]) == (422, "orders.unknown_service")
    assert [e["pointer"] for e in problem["errors"]] == ["/lines/1/serviceId"]


async def test_a_change_names_its_version(system: System, order: Placed) -> None:
    for body in ({"note": "x"}, _lines(EUR_GIB)):
        response = await system.change(order.user, order.path, body)
        assert (response.status_code, json(response)["code"]) == (428, "precondition_required")
        response = await system.change(order.user, order.path, body, version=2)
        assert (response.status_code, json(response)["code"]) == (412, "precondition_failed")
    response = await system.delete(system.user("admin"), order.path)
    assert response.status_code == 428
    response = await system.delete(system.user("admin"), order.path, version=2)
    assert response.status_code == 412
    assert await system.events() == ["OrderPlaced"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_patch_is_json(system: System, order: Placed, media_type: str) -> None:
    headers = {**order.user.headers, "If-Match": "*", "Content-Type": media_type}
    response = await system.http.patch(order.path, content=b'{"note":"x"}', headers=headers)
    assert (response.status_code, json(response)["code"]) == (415, "unsupported_media_type")


async def test_the_lines_of_a_confirmed_order_are_fixed_and_its_note_is_not(
    system: System, order: Placed
) -> None:
    await system.database.execute(CONFIRMED)
    response = await system.change(order.user, order.path, _lines(EUR_GIB), version=2)
    assert (response.status_code, json(response)["code"]) == (409, "orders.not_pending")
    response = await system.change(order.user, order.path, {"note": "Knock"}, version=2)
    changed = json(response)
    assert (changed["status"], changed["note"], changed["version"]) == ("CONFIRMED", "Knock", 3)
    assert changed["assessment"]["dueOn"] == "2026-02-02"


@pytest.mark.parametrize("confirmed", [False, True])
async def test_an_order_is_cancelled(system: System, order: Placed, confirmed: bool) -> None:
    if confirmed:
        await system.database.execute(CONFIRMED)
    response = await system.cancel(order.user, order.path)
    cancelled = json(response)
    assert (response.status_code, cancelled["status"]) == (200, "CANCELLED")
    assert response.headers["etag"] == f'"{3 if confirmed else 2}"'
    assert (await system.get(order.user, order.path)).content == response.content
    [row] = await system.rows("SELECT payload FROM outbox WHERE type = 'OrderCancelled'")
    event = OrderCancelled.from_json(row["payload"].encode())
    assert (event.order_id, event.customer_id) == (order.id, order.user.id)
    assert event.total.amount == Decimal("1250.00")
    assert timestamp(event.cancelled_at) == cancelled["updatedAt"]


async def test_what_is_over_cannot_be_cancelled(system: System, order: Placed) -> None:
    await system.cancel(order.user, order.path)
    again = await system.cancel(order.user, order.path)
    assert (again.status_code, json(again)["code"]) == (409, "orders.illegal_status_change")
    assert await system.events() == ["OrderPlaced", "OrderCancelled"]


async def test_with_a_key_it_is_cancelled_once(system: System, order: Placed) -> None:
    first = await system.cancel(order.user, order.path, Idempotency_Key="k")
    again = await system.cancel(order.user, order.path, Idempotency_Key="k")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["etag"] == first.headers["etag"] == '"2"'
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await system.events() == ["OrderPlaced", "OrderCancelled"]
    other = (await system.place(order.user)).headers["location"]
    reused = await system.cancel(order.user, other, Idempotency_Key="k")
    assert (reused.status_code, json(reused)["code"]) == (422, "idempotency.key_reused")


async def test_cancelling_may_be_meant_for_a_version(system: System, order: Placed) -> None:
    response = await system.cancel(order.user, order.path, If_Match='"2"')
    assert (response.status_code, json(response)["code"]) == (412, "precondition_failed")
    assert (await system.cancel(order.user, order.path, If_Match="nonsense")).status_code == 422
    assert (await system.cancel(order.user, order.path, If_Match='"1"')).status_code == 200


async def test_a_deleted_order_is_not_there(system: System, order: Placed) -> None:
    admin = system.user("admin")
    response = await system.delete(admin, order.path, version=1)
    assert (response.status_code, response.content) == (204, b"")
    for user in (order.user, admin):
        assert (await system.get(user, order.path)).status_code == 404
        assert json(await system.get(user, "/v1/orders"))["items"] == []
        for gone in (
            await system.delete(user, order.path, version=2),
            await system.change(user, order.path, {"note": "x"}, version=2),
            await system.cancel(user, order.path),
        ):
            assert (gone.status_code, json(gone)["code"]) == (404, "orders.not_found")
    [row] = await system.rows("SELECT version, updated_by, deleted_at, updated_at FROM orders")
    assert (row["version"], row["updated_by"]) == (2, str(admin.id))
    assert row["deleted_at"] == row["updated_at"]
    [row] = await system.rows("SELECT payload FROM outbox WHERE type = 'OrderDeleted'")
    assert OrderDeleted.from_json(row["payload"].encode()).order_id == order.id


REFUSED = [
    ((), 404, "orders.not_found"),
    (("support",), 403, "permission_denied"),
    (("auditor",), 403, "permission_denied"),
]


@pytest.mark.parametrize(("roles", "status", "code"), REFUSED)
async def test_an_order_is_changed_by_its_customer_and_administrators(
    system: System, order: Placed, roles: tuple[str, ...], status: int, code: str
) -> None:
    other = system.user(*roles)
    for response in (
        await system.change(other, order.path, {"note": "x"}, version=1),
        await system.change(other, order.path, _lines(EUR_GIB), version=1),
        await system.cancel(other, order.path),
        await system.delete(other, order.path, version=1),
    ):
        assert (response.status_code, json(response)["code"]) == (status, code)
    admin = system.user("admin")
    assert (await system.change(admin, order.path, {"note": "x"}, version=1)).status_code == 200
    assert (await system.cancel(admin, order.path)).status_code == 200
    assert (await system.delete(admin, order.path, version=3)).status_code == 204


async def test_customers_do_not_delete(system: System, order: Placed) -> None:
    response = await system.delete(order.user, order.path, version=1)
    assert (response.status_code, json(response)["code"]) == (403, "permission_denied")


async def test_what_is_not_there_is_not_found(system: System) -> None:
    admin, path = system.user("admin"), f"/v1/orders/{uuid7()}"
    for response in (
        await system.change(admin, path, {"note": "x"}, version=1),
        await system.change(admin, path, _lines(EUR_GIB), version=1),
        await system.cancel(admin, path),
        await system.delete(admin, path, version=1),
    ):
        assert (response.status_code, json(response)["code"]) == (404, "orders.not_found")


async def test_what_only_the_database_knows_is_a_conflict_too(
    system: System, order: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await system.database.execute("UPDATE orders SET status = 'REJECTED'")
    monkeypatch.setattr(Status, "may_become", lambda *_: True)
    response = await system.cancel(order.user, order.path)
    assert (response.status_code, json(response)["code"]) == (409, "orders.illegal_status_change")
    assert await system.events() == ["OrderPlaced"]


async def test_the_repository_takes_no_illegal_step(system: System, order: Placed) -> None:
    [db] = system.runtime.share(Databases)._databases.values()
    orders = OrderRepository(db)
    await system.cancel(order.user, order.path)
    cancelled = await orders.find(order.id)
    assert cancelled is not None
    with pytest.raises(IllegalStatusChange):
        await orders.update(cancelled._replace(status="PENDING", version=3))


async def test_an_order_that_the_client_has_is_not_sent_again(
    system: System, order: Placed
) -> None:
    headers = {**order.user.headers, "If-None-Match": '"1"'}
    assert (await system.http.get(order.path, headers=headers)).status_code == 304
    await system.change(order.user, order.path, {"note": "Knock"}, version=1)
    assert (await system.http.get(order.path, headers=headers)).status_code == 200


async def test_its_methods_are_told(system: System, order: Placed) -> None:
    response = await system.http.put(order.path, headers=order.user.headers)
    assert (response.status_code, json(response)["code"]) == (405, "method_not_allowed")
    allowed = {"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"}
    assert set(response.headers["allow"].split(", ")) == allowed
