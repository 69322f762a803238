"""The request context: which ids are accepted, and how far a context reaches."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

import pytest

from libs import context
from libs.context import (
    RequestContext,
    accept_context_id,
    amend,
    current,
    from_headers,
    new_context_id,
    set_process_context,
    to_headers,
    use,
)


def _context(context_id: str = "request-1", service: str = "api") -> RequestContext:
    return RequestContext(context_id=context_id, service=service)


@pytest.mark.parametrize(
    "value", ["12345678", "x" * 64, "A-b_c.d-9", "0198c5d2-7b00-7000-8000-000000000001"]
)
def test_a_fitting_id_is_accepted(value: str) -> None:
    assert accept_context_id(value) == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "1234567",
        "x" * 65,
        "with space",
        "with/slash",
        "line\nbreak",
        "trailing\n",
        "ümlaut-ümlaut",
        "١٢٣٤٥٦٧٨",
        "<script>alert</script>",
        '"quoted"',
    ],
)
def test_another_is_not(value: str | None) -> None:
    assert accept_context_id(value) is None


def test_an_own_id_is_a_version_7_uuid_and_fit_to_be_accepted() -> None:
    ids = [new_context_id() for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab].*", i) for i in ids)
    assert all(accept_context_id(i) == i for i in ids)


def test_outside_any_request_the_context_is_the_process_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "_process", current())
    assert accept_context_id(current().context_id)
    assert current().service == "throughline"
    own = _context("startup-1", "throughline")
    set_process_context(own)
    assert current() is own
    assert Context().run(current) is own


def test_a_block_has_its_context_and_the_one_before_is_back_afterwards() -> None:
    before = current()
    with use(_context("outer-one")), use(_context("inner-one")) as inner:
        assert current() is inner
    assert current() is before
    with pytest.raises(LookupError), use(_context("outer-one")):
        raise LookupError
    assert current() is before


async def test_a_context_survives_awaits_and_reaches_tasks_and_threads() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return current().context_id

    with use(_context("request-1")):
        assert await later() == "request-1"
        assert await asyncio.create_task(later()) == "request-1"
        assert set(await asyncio.gather(later(), later())) == {"request-1"}
        assert (await asyncio.to_thread(current)).context_id == "request-1"
        async with asyncio.timeout(5):
            assert await later() == "request-1"


async def test_a_task_keeps_the_context_it_was_started_in() -> None:
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return current().context_id

    with use(_context("first-one")):
        task = asyncio.create_task(wait())
    with use(_context("second-one")):
        go.set()
        assert await task == "first-one"


async def test_what_a_task_changes_stays_in_it() -> None:
    async def change() -> None:
        amend(service="worker", actor="somebody")

    with use(_context()):
        await asyncio.create_task(change())
        assert current() == _context()


def test_a_bare_thread_has_the_process_own_context() -> None:
    with use(_context()), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current).result().service == "throughline"


async def test_thousands_of_interleaved_tasks_do_not_mix() -> None:
    async def work(number: int) -> bool:
        with use(_context(f"request-{number}")):
            for _ in range(number % 5):
                await asyncio.sleep(0)
                if current().context_id != f"request-{number}":
                    return False
            amend(actor=f"user-{number}")
            await asyncio.sleep(0)
            return current().actor == f"user-{number}"

    assert all(await asyncio.gather(*(work(n) for n in range(5000))))


def test_amending_keeps_what_is_known() -> None:
    with use(_context()):
        amend(service="worker")
        amend(actor="somebody")
        amend(deadline=12.5)
        assert current() == RequestContext(
            context_id="request-1", service="worker", actor="somebody", deadline=12.5
        )


def test_who_acts_is_amended_as_a_whole() -> None:
    with use(_context()):
        amend(actor="somebody", session_id="session", roles=("customer",))
        amend(service="worker")
        assert (current().session_id, current().roles) == ("session", ("customer",))
        amend(roles=())
        assert (current().session_id, current().roles) == ("session", ())


def test_headers_carry_ids_and_no_identity() -> None:
    full = RequestContext(
        context_id="request-1",
        service="api",
        actor="somebody",
        session_id="session",
        roles=("admin",),
        causation_id="event-0001",
        deadline=time.monotonic(),
    )
    with use(full):
        assert to_headers() == {"x-context-id": "request-1", "x-causation-id": "event-0001"}
    with use(_context()):
        assert to_headers() == {"x-context-id": "request-1"}


def test_headers_are_taken_over_from_those_who_are_trusted() -> None:
    headers = {"x-context-id": "request-1", "x-causation-id": "event-0001", "x-actor": "admin"}
    seen = from_headers(headers, service="api", trusted=True)
    assert seen == RequestContext(context_id="request-1", service="api", causation_id="event-0001")


@pytest.mark.parametrize(
    ("headers", "trusted"),
    [
        ({"x-context-id": "request-1", "x-causation-id": "event-0001"}, False),
        ({"x-context-id": "short", "x-causation-id": "no good"}, True),
        ({}, True),
    ],
)
def test_other_headers_are_not(headers: dict[str, str], trusted: bool) -> None:
    seen = from_headers(headers, service="api", trusted=trusted)
    assert seen.context_id != headers.get("x-context-id")
    assert accept_context_id(seen.context_id)
    assert seen.causation_id is None
