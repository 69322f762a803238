import asyncio
from collections import Counter

import asyncpg
import pytest

from libs.db.idempotency import Scope
from services.api.orders.service import PLACE
from tests.integration.api.system import EUR_DAY, EUR_GIB, System, json, order_of


async def test_the_same_request_again_is_answered_alike(system: System) -> None:
    ada = system.user()
    first = await system.place(ada, key="k")
    again = await system.place(ada, key="k")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    for header in ("location", "etag", "content-type"):
        assert again.headers[header] == first.headers[header]
    assert (await system.counts())["orders"] == 1


async def test_what_is_written_differently_is_still_the_same(system: System) -> None:
    ada = system.user()
    first = await system.place(ada, order_of(EUR_DAY), key="k")
    again = await system.place(ada, {"note": None, **order_of(EUR_DAY)}, key="k")
    assert again.content == first.content


async def test_the_answer_stays_when_the_order_has_changed(system: System) -> None:
    ada = system.user()
    first = await system.place(ada, key="k")
    await system.database.execute("UPDATE orders SET status = 'CANCELLED', version = 2")
    assert (await system.place(ada, key="k")).content == first.content


async def test_another_request_under_the_key_is_refused(system: System) -> None:
    ada = system.user()
    await system.place(ada, order_of(EUR_DAY), key="k")
    response = await system.place(ada, order_of(EUR_GIB), key="k")
    problem = json(response)
    assert (response.status_code, problem["code"]) == (422, "idempotency.key_reused")
    assert [e["pointer"] for e in problem["errors"]] == ["/header/Idempotency-Key"]
    assert (await system.counts())["orders"] == 1


async def test_a_key_is_its_users_own(system: System) -> None:
    first = await system.place(system.user(), key="k")
    other = await system.place(system.user(), key="k")
    assert other.status_code == 201
    assert other.content != first.content


async def test_a_refused_request_does_not_use_up_its_key(system: System) -> None:
    ada = system.user()
    refused = await system.place(ada, {**order_of(EUR_DAY), "currency": "USD"}, key="k")
    assert refused.status_code == 422
    assert (await system.place(ada, order_of(EUR_DAY), key="k")).status_code == 201


async def test_of_many_at_once_one_has_an_effect(system: System) -> None:
    ada = system.user()
    answers = await asyncio.gather(*(system.place(ada, key="k") for _ in range(20)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert json(answer)["code"] == "idempotency.in_flight"
            assert answer.headers["retry-after"] == "1"
    counts = {"customers": 1, "orders": 1, "order_lines": 1, "outbox": 1, "idempotency_keys": 1}
    assert await system.counts() == counts
    assert (await system.place(ada, key="k")).headers["idempotency-replayed"] == "true"


async def test_a_request_in_flight_is_not_waited_for(
    system: System, database: asyncpg.Connection
) -> None:
    ada = system.user()
    lock = Scope(actor=str(ada.id), route=PLACE, key="k").lock
    async with database.transaction():
        await database.execute("SELECT pg_advisory_xact_lock($1)", lock)
        response = await system.place(ada, key="k")
    assert (response.status_code, json(response)["code"]) == (409, "idempotency.in_flight")
    assert (await system.place(ada, key="k")).status_code == 201


@pytest.mark.parametrize("key", [None, "", "a" * 256, "with space", "h\xe9"])
async def test_a_key_is_needed(system: System, key: str | None) -> None:
    headers = {k.encode(): v.encode() for k, v in system.user().headers.items()}
    if key is not None:
        headers[b"Idempotency-Key"] = key.encode("latin-1")
    response = await system.http.post("/v1/orders", json=order_of(EUR_DAY), headers=headers)
    assert response.status_code == 422
    assert [e["pointer"] for e in json(response)["errors"]] == ["/header/Idempotency-Key"]


async def test_a_key_of_the_greatest_length_will_do(system: System) -> None:
    assert (await system.place(system.user(), key="~" * 255)).status_code == 201
