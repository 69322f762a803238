"""Many requests with one idempotency key, at the same time, again and again."""

import asyncio
from collections import Counter

import httpx

from libs.ids import uuid7
from tests.integration.api.system import EUR_DAY, EUR_GIB, System, json, order_of

AT_ONCE = 50
TIMES = 100


def assert_alike(answers: list[httpx.Response]) -> None:
    """All say the same, or that another request is being worked on."""
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {201, 409}, statuses
    placed = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in placed}) == 1
    assert len({(answer.headers["location"], answer.headers["etag"]) for answer in placed}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in placed) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert json(answer)["code"] == "idempotency.in_flight"
            assert answer.headers["retry-after"] == "1"


async def test_fifty_at_once_a_hundred_times(system: System) -> None:
    ada = system.user()
    body = order_of(EUR_DAY, EUR_GIB)
    for time in range(1, TIMES + 1):
        key = str(uuid7())
        answers = await asyncio.gather(*(system.place(ada, body, key=key) for _ in range(AT_ONCE)))
        assert_alike(answers)
        assert (await system.place(ada, body, key=key)).headers["idempotency-replayed"] == "true"
        counts = await system.counts()
        assert counts == {
            "customers": 1,
            "orders": time,
            "order_lines": 2 * time,
            "outbox": time,
            "idempotency_keys": time,
        }


async def test_users_do_not_get_into_each_others_way(system: System) -> None:
    """The same key of many users at once: an order each."""
    users = [system.user() for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(system.place(user, key="k") for user in users))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == AT_ONCE
    assert (await system.counts())["outbox"] == AT_ONCE
