from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from libs.contracts.api import OrderPlaced
from libs.ids import uuid7
from tests.integration.api.system import EUR_DAY, EUR_GIB, RETIRED, System, json, order_of

NOTHING = dict.fromkeys(("customers", "orders", "order_lines", "outbox", "idempotency_keys"), 0)


async def test_an_order_is_placed(system: System) -> None:
    ada = system.user()
    body = order_of(EUR_DAY, EUR_GIB, quantity=3, note="Ring twice")
    response = await system.place(ada, body)
    order = json(response)
    assert response.status_code == 201, order
    assert response.headers["location"] == f"/v1/orders/{order['id']}"
    assert response.headers["etag"] == '"1"'
    assert "idempotency-replayed" not in response.headers
    assert UUID(order["id"]).version == 7
    at = order["placedAt"]
    assert datetime.fromisoformat(at).tzinfo is not None
    assert order == {
        "id": order["id"],
        "customerId": str(ada.id),
        "status": "PENDING",
        "currency": "EUR",
        "lines": [
            _line(EUR_DAY, "Engineering day", 3, "1250.00", "3750.00"),
            _line(EUR_GIB, "Backup as a service", 3, "0.09", "0.27"),
        ],
        "total": {"amount": "3750.27", "currency": "EUR"},
        "assessment": None,
        "note": "Ring twice",
        "placedAt": at,
        "updatedAt": at,
        "version": 1,
    }
    assert (await system.get(ada, response.headers["location"])).content == response.content


def _line(service: UUID, name: str, quantity: int, price: str, amount: str) -> dict[str, Any]:
    return {
        "serviceId": str(service),
        "name": name,
        "quantity": quantity,
        "unitPrice": {"amount": price, "currency": "EUR"},
        "amount": {"amount": amount, "currency": "EUR"},
    }


async def test_all_of_it_commits_together(system: System) -> None:
    ada = system.user(country="AT")
    order = json(await system.place(ada, order_of(EUR_DAY, EUR_GIB)))
    counts = {"customers": 1, "orders": 1, "order_lines": 2, "outbox": 1, "idempotency_keys": 1}
    assert await system.counts() == counts
    [row] = await system.rows("SELECT type, topic, subject, actor, payload FROM outbox")
    event = OrderPlaced.from_json(row.pop("payload").encode())
    assert row == {
        "type": "OrderPlaced",
        "topic": "orders",
        "subject": order["id"],
        "actor": str(ada.id),
    }
    assert (str(event.order_id), event.customer_id, event.country) == (order["id"], ada.id, "AT")
    [customer] = await system.rows("SELECT name, country, revision, created_by FROM customers")
    assert customer == {"name": "Ada", "country": "AT", "revision": 1, "created_by": str(ada.id)}


async def test_a_second_order_finds_its_customer(system: System) -> None:
    ada = system.user()
    for _ in range(2):
        assert (await system.place(ada)).status_code == 201
    assert (await system.counts())["customers"] == 1


AT_ONCE = "CREATE TRIGGER refuse BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION refuse()"
AT_THE_COMMIT = (
    "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {} DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION refuse()"
)


@pytest.mark.parametrize("when", [AT_ONCE, AT_THE_COMMIT], ids=["at once", "at the commit"])
@pytest.mark.parametrize("table", NOTHING)
async def test_a_failure_at_any_table_leaves_nothing(system: System, table: str, when: str) -> None:
    ada = system.user()
    await system.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION ''the server is in trouble''; END'"
    )
    try:
        await system.database.execute(when.format(table))
        failed = await system.place(ada, key="k")
    finally:
        await system.database.execute("DROP FUNCTION refuse CASCADE")
    assert (failed.status_code, json(failed)["code"]) == (500, "internal")
    assert await system.counts() == NOTHING
    assert (await system.place(ada, key="k")).status_code == 201


async def test_a_deleted_customer_cannot_order(system: System) -> None:
    ada = system.user()
    await system.database.execute(
        "INSERT INTO customers (id, name, revision, deleted_at) VALUES ($1, '', 2, now())", ada.id
    )
    response = await system.place(ada)
    assert (response.status_code, json(response)["code"]) == (403, "orders.no_customer")
    assert await system.counts() == {**NOTHING, "customers": 1}


INVALID: list[tuple[dict[str, Any], str]] = [
    (order_of(), "/lines"),
    (order_of(*[EUR_DAY] * 51), "/lines"),
    (order_of(EUR_DAY, quantity=0), "/lines/0/quantity"),
    (order_of(EUR_DAY, quantity=1001), "/lines/0/quantity"),
    (order_of(EUR_DAY, note="x" * 1001), "/note"),
    (order_of(EUR_DAY, note="a\0b"), "/note"),
    (order_of(EUR_DAY, note="\x1b[31m"), "/note"),
    (order_of(EUR_DAY, surprise=1), "/surprise"),
    ({**order_of(EUR_DAY), "currency": "euro"}, "/currency"),
    ({"currency": "EUR", "lines": [{"serviceId": "x", "quantity": 1}]}, "/lines/0/serviceId"),
    ({"currency": "EUR", "lines": [{"serviceId": str(EUR_DAY), "quantity": "1"}]}, "/lines/0/"),
]


@pytest.mark.parametrize(("body", "pointer"), INVALID)
async def test_what_is_wrong_is_pointed_at(
    system: System, body: dict[str, Any], pointer: str
) -> None:
    response = await system.place(system.user(), body)
    problem = json(response)
    assert (response.status_code, problem["code"]) == (422, "invalid_input")
    assert problem["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize("service", [RETIRED, uuid7()])
async def test_a_service_that_cannot_be_ordered_is_refused(system: System, service: UUID) -> None:
    response = await system.place(system.user(), order_of(service, EUR_DAY))
    problem = json(response)
    assert (response.status_code, problem["code"]) == (422, "orders.unknown_service")
    assert [e["pointer"] for e in problem["errors"]] == ["/lines/0/serviceId"]


async def test_another_currency_is_refused(system: System) -> None:
    response = await system.place(system.user(), {**order_of(EUR_DAY), "currency": "USD"})
    assert (response.status_code, json(response)["code"]) == (422, "orders.currency_mismatch")
    assert await system.counts() == NOTHING


async def test_only_customers_order(system: System) -> None:
    assert (await system.place(system.user("auditor"))).status_code == 403
    response = await system.http.post("/v1/orders", json=order_of(EUR_DAY))
    assert (response.status_code, json(response)["code"]) == (401, "unauthenticated")


async def test_anothers_order_is_not_there(system: System) -> None:
    path = (await system.place(system.user())).headers["location"]
    response = await system.get(system.user(), path)
    assert (response.status_code, json(response)["code"]) == (404, "orders.not_found")
    assert (await system.get(system.user("support"), path)).status_code == 200


async def test_an_order_of_the_past_is_not_there(system: System) -> None:
    ada = system.user()
    path = (await system.place(ada)).headers["location"]
    await system.database.execute("UPDATE orders SET deleted_at = now()")
    assert (await system.get(ada, path)).status_code == 404
    assert json(await system.get(ada, "/v1/orders"))["items"] == []


async def _walk(system: System, user: Any, **params: str | int) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    while True:
        response = await system.get(user, "/v1/orders", **params)
        assert response.status_code == 200, response.text
        page = json(response)
        assert len(page["items"]) <= int(params.get("limit", 20))
        found += [order["id"] for order in page["items"]]
        if page["nextCursor"] is None:
            return found
        params["cursor"] = page["nextCursor"]


async def test_a_list_is_walked_page_by_page(system: System) -> None:
    ada, bob = system.user(), system.user()
    placed = [json(await system.place(ada))["id"] for _ in range(5)]
    others = [json(await system.place(bob))["id"] for _ in range(2)]
    # some at the very same time: the id decides then
    await system.database.execute("UPDATE orders SET placed_at = date_trunc('hour', placed_at)")
    newest_first = placed[::-1]
    assert await _walk(system, ada, limit=2) == newest_first
    assert await _walk(system, ada) == newest_first
    assert await _walk(system, system.user("admin"), limit=3) == [*others[::-1], *newest_first]


async def test_a_list_is_filtered(system: System) -> None:
    ada = system.user()
    first, second = [json(await system.place(ada)) for _ in range(2)]
    await system.database.execute(
        "UPDATE orders SET placed_at = placed_at - interval '1 day', status = 'CANCELLED'"
        " WHERE id = $1",
        UUID(first["id"]),
    )
    assert await _walk(system, ada, status="PENDING") == [second["id"]]
    assert await _walk(system, ada, status="CANCELLED") == [first["id"]]
    early = json(await system.get(ada, f"/v1/orders/{first['id']}"))["placedAt"]
    assert await _walk(system, ada, placedAfter=early) == [second["id"]]
    assert await _walk(system, ada, placedAfter=second["placedAt"]) == []
    assert await _walk(system, ada, placedBefore=second["placedAt"]) == [first["id"]]
    assert await _walk(system, ada, placedBefore=early) == []
    both = {"placedAfter": early, "placedBefore": second["placedAt"]}
    assert await _walk(system, ada, **both) == []


async def test_a_list_is_of_one_customer(system: System) -> None:
    ada, bob = system.user(), system.user()
    order = json(await system.place(ada))
    await system.place(bob)
    mine = {"customerId": str(ada.id)}
    assert await _walk(system, system.user("support"), **mine) == [order["id"]]
    assert await _walk(system, ada, **mine) == [order["id"]]
    assert await _walk(system, bob, **mine) == []


async def test_a_page_leads_to_the_next(system: System) -> None:
    ada = system.user()
    placed = [json(await system.place(ada))["id"] for _ in range(3)]
    path: str | None = "/v1/orders?limit=1&status=PENDING&placedBefore=2100-01-01T00:00:00Z"
    found: list[str] = []
    while path is not None:
        response = await system.http.get(path, headers=ada.headers)
        assert response.status_code == 200, response.text
        found += [order["id"] for order in json(response)["items"]]
        path = response.links.get("next", {}).get("url")
    assert found == placed[::-1]


BAD_QUERIES: list[tuple[dict[str, str | int], str]] = [
    ({"limit": 0}, "/query/limit"),
    ({"limit": 101}, "/query/limit"),
    ({"status": "LOST"}, "/query/status"),
    ({"placedAfter": "2026-01-31"}, "/query/placedAfter"),
    ({"placedAfter": "2026-01-31T12:00:00"}, "/query/placedAfter"),
    ({"placedBefore": "yesterday"}, "/query/placedBefore"),
    ({"customerId": "me"}, "/query/customerId"),
    ({"cursor": "nonsense"}, "/query/cursor"),
    ({"limits": 5}, "/query/limits"),
]


@pytest.mark.parametrize(("query", "pointer"), BAD_QUERIES)
async def test_a_query_that_makes_no_sense_is_refused(
    system: System, query: dict[str, str | int], pointer: str
) -> None:
    response = await system.get(system.user(), "/v1/orders", **query)
    assert response.status_code == 422, response.text
    assert [e["pointer"] for e in json(response)["errors"]] == [pointer]


async def test_a_cursor_belongs_to_its_filters(system: System) -> None:
    ada = system.user()
    for _ in range(2):
        await system.place(ada)
    cursor = json(await system.get(ada, "/v1/orders", limit=1))["nextCursor"]
    response = await system.get(ada, "/v1/orders", limit=1, cursor=cursor, status="PENDING")
    assert (response.status_code, json(response)["code"]) == (422, "invalid_cursor")


async def test_an_id_that_is_none_is_refused(system: System) -> None:
    response = await system.get(system.user(), "/v1/orders/1")
    assert [e["pointer"] for e in json(response)["errors"]] == ["/path/id"]
