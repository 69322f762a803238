"""The layer around the application: context, access log, headers, deadline."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from libs.context import RequestContext, current, use
from libs.observability.metrics import HttpMetrics
from libs.web.layer import SECURITY_HEADERS, RequestLayer
from tests.unit.conftest import Logged
from tests.unit.web.app import client, health
from tests.unit.web.things import router

ID = "request-1"
CONTEXT = "/v1/things/context"

ANSWERS = {
    "200": ("GET", "/v1/things"),
    "201": ("POST", "/v1/things"),
    "204": ("OPTIONS", "/v1/things"),
    "304": ("GET", "/v1/things/tagged"),
    "404": ("GET", "/nowhere"),
    "405": ("DELETE", "/v1/things"),
    "409": ("GET", "/v1/things/sold"),
    "415": ("POST", "/v1/things/form"),
    "422": ("GET", "/v1/things/x"),
    "500": ("GET", "/v1/things/crash"),
    "503": ("GET", "/health/ready"),
    "504": ("GET", "/v1/things/slow"),
}


async def _answers(headers: dict[str, str], **settings: Any) -> dict[str, httpx.Response]:
    """An answer of each kind."""
    not_ready = health(started=False)
    found = {}
    async with client(router(), state=not_ready, request_timeout_s=0.05, **settings) as http:
        for status, (method, path) in ANSWERS.items():
            body = {"name": "x"} if method == "POST" else None
            told = {**headers, "if-none-match": '"1"'}
            found[status] = await http.request(method, path, headers=told, json=body)
    assert {status: str(answer.status_code) for status, answer in found.items()} == {
        status: status for status in ANSWERS
    }
    return found


class TestContextId:
    """X-Context-Id."""

    async def test_it_is_echoed_on_every_answer_and_on_every_line(self, logged: Logged) -> None:
        for answer in (await _answers({"x-context-id": ID})).values():
            assert answer.headers.get_list("x-context-id") == [ID]
        own = [line for line in logged.lines() if line["event"].startswith("request.")]
        assert {line["contextId"] for line in own} == {ID}

    @pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "semi;colon", ""])
    async def test_one_that_does_not_match_is_replaced(self, logged: Logged, given: str) -> None:
        async with client(router()) as http:
            answer = await http.get(CONTEXT, headers={"x-context-id": given})
        made = answer.headers["x-context-id"]
        assert made not in (given, current().context_id)
        assert answer.json()["contextId"] == made
        assert logged.line("thing.seen")["contextId"] == made

    async def test_none_is_taken_over_from_those_who_are_not_trusted(self) -> None:
        headers = {"x-context-id": ID, "x-causation-id": "event-0001"}
        for answer in (await _answers(headers, trust_context_id=False)).values():
            assert answer.headers["x-context-id"] != ID
        async with client(router(), trust_context_id=False) as http:
            answer = await http.get(CONTEXT, headers=headers)
        assert answer.json()["causation"] is None

    async def test_two_requests_have_two(self) -> None:
        async with client(router()) as http:
            one, other = await http.get("/v1/things"), await http.get("/v1/things")
        assert one.headers["x-context-id"] != other.headers["x-context-id"]

    async def test_the_callers_own_context_is_left_alone(self) -> None:
        mine = RequestContext(context_id="mine-mine", service="test")
        with use(mine):
            async with client(router()) as http:
                await http.get(CONTEXT, headers={"x-context-id": ID})
            assert current() is mine

    async def test_service_and_cause_are_those_of_the_request(self) -> None:
        async with client(router()) as http:
            answer = await http.get(CONTEXT, headers={"x-causation-id": "event-0001"})
        assert (answer.json()["service"], answer.json()["causation"]) == ("shop", "event-0001")

    async def test_thousands_of_interleaved_requests_do_not_mix(self, logged: Logged) -> None:
        count, at_a_time = 3000, asyncio.Semaphore(200)

        async with client(router()) as http:

            async def ask(number: int) -> None:
                own = f"request-{number:05}"
                async with at_a_time:
                    answer = await http.get(
                        CONTEXT, params={"pause": number % 7}, headers={"x-context-id": own}
                    )
                assert answer.headers["x-context-id"] == own
                assert answer.json()["contextId"] == own

            await asyncio.gather(*(ask(number) for number in range(count)))
        by_event: dict[str, list[str]] = {}
        for line in logged.lines():
            by_event.setdefault(line["event"], []).append(line["contextId"])
        expected = [f"request-{number:05}" for number in range(count)]
        for event in ("request.started", "thing.seen", "request.finished"):
            assert sorted(by_event[event]) == expected


class TestAccessLog:
    """request.started and request.finished."""

    async def test_a_request_is_two_lines(self, logged: Logged) -> None:
        async with client(router()) as http:
            await http.post("/v1/things", json={"name": "x"})
        started, finished = logged.lines()
        assert (started["event"], finished["event"]) == ("request.started", "request.finished")
        assert (started["method"], started["path"]) == ("POST", "/v1/things")
        assert (finished["route"], finished["status"]) == ("/v1/things", 201)
        assert (finished["requestBytes"], finished["responseBytes"]) == (12, 23)
        assert finished["durationMs"] > 0

    async def test_what_is_asked_and_answered_is_not_in_it(self, logged: Logged) -> None:
        secret = {"authorization": "Bearer planted", "cookie": "planted", "if-match": "planted"}
        async with client(router()) as http:
            for target in ("/v1/things?planted=1", "/v1/things?limit=planted", "/no?q=planted"):
                await http.get(target, headers=secret)
                await http.post(target, json={"name": "planted", "planted": 1}, headers=secret)
            await http.post("/v1/things/form", data={"name": "planted"})
            await http.post("/v1/things", content=b"planted", headers={"content-type": "planted"})
            await http.get("/v1/things/sold")  # whose detail is "gone since Monday"
        assert len(logged.lines("request.finished")) == 9
        assert b"planted" not in logged.raw()
        assert b"Monday" not in logged.raw()

    async def test_the_sizes_are_those_of_the_bodies(self, logged: Logged) -> None:
        async with client(router()) as http:
            got = await http.get("/v1/things")
            await http.head("/v1/things")
            missing = await http.get("/nowhere")
        sizes = [line["responseBytes"] for line in logged.lines("request.finished")]
        assert sizes == [len(got.content), 0, len(missing.content)]

    async def test_a_route_is_its_template(self, logged: Logged) -> None:
        async with client(router()) as http:
            await http.get("/v1/things/7")
            await http.get("/v1/nothing/7")
        assert [line["route"] for line in logged.lines("request.finished")] == [
            "/v1/things/{thing_id}",
            "unmatched",
        ]

    async def test_what_machines_ask_every_second_is_at_debug_unless_it_fails(
        self, logged: Logged
    ) -> None:
        async with client(state=health()) as http:
            await http.get("/health/ready")
            await http.get("/metrics")
        assert {line["level"] for line in logged.lines()} == {"debug"}
        async with client(state=health(stopping=True)) as http:
            await http.get("/health/ready")
        assert logged.lines("request.finished")[-1]["level"] == "warning"

    async def test_an_answer_that_breaks_off(self, logged: Logged) -> None:
        async with client(router()) as http:
            with pytest.raises(AssertionError):  # httpx', which misses the answer's end
                await http.get("/v1/things/broken")
        assert logged.line("request.failed")["exception"][0]["exc_type"] == "LookupError"
        assert logged.line("request.finished")["status"] == 200

    async def test_a_client_that_goes_away(self, logged: Logged) -> None:
        async with client(router()) as http:
            asking = asyncio.create_task(http.get("/v1/things/slow"))
            await asyncio.sleep(0)
            async with asyncio.timeout(10):
                while not logged.lines("request.started"):  # noqa: ASYNC110 (the log has no event)
                    await asyncio.sleep(0.001)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert not logged.lines("request.failed")

    async def test_headers_that_are_no_numbers_harm_nobody(self, logged: Logged) -> None:
        async with client(router()) as http:
            for value in ("abc", "-1", "1e3", "9" * 5000, "²", ""):
                headers = {
                    b"x-request-deadline-ms": value.encode("latin-1"),
                    b"content-length": b"x",
                }
                answer = await http.get("/v1/things", headers=headers)
                assert answer.status_code == 200
        assert {line["requestBytes"] for line in logged.lines("request.finished")} == {0}


class TestHeaders:
    """What every answer has."""

    async def test_security_headers_are_on_every_answer_once(self) -> None:
        for answer in (await _answers({})).values():
            for name, value in SECURITY_HEADERS:
                assert answer.headers.get_list(name.decode()) == [value.decode()]
            policies = answer.headers.get_list("content-security-policy")
            assert policies == ["default-src 'none'; frame-ancestors 'none'"]
            assert "server" not in answer.headers

    async def test_nothing_is_kept_unless_a_route_says_so(self) -> None:
        for answer in (await _answers({})).values():
            assert answer.headers.get_list("cache-control") == ["no-store"]
        async with client(router()) as http:
            answer = await http.get("/v1/things/cached")
        assert answer.headers.get_list("cache-control") == ["max-age=60"]

    async def test_the_docs_are_a_page_without_foreign_scripts(self) -> None:
        async with client(router()) as http:
            page = await http.get("/docs")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "https://" not in page.text


class TestDeadline:
    """How long a request may take."""

    @pytest.mark.parametrize(
        ("header", "trusted", "expected"),
        [(None, True, 30), ("500", True, 0.5), ("500", False, 30), ("60000", True, 30)],
    )
    async def test_it_is_ours_or_the_callers_if_less(
        self, header: str | None, trusted: bool, expected: float
    ) -> None:
        headers = {} if header is None else {"x-request-deadline-ms": header}
        async with client(router(), trust_context_id=trusted) as http:
            before = time.monotonic()
            answer = await http.get("/v1/things/deadline", headers=headers)
        left = answer.json()["deadline"] - before
        assert expected <= left < expected + 5

    async def test_no_time_left_is_told_at_once(self) -> None:
        async with client(router()) as http:
            answer = await http.get("/v1/things/slow", headers={"x-request-deadline-ms": "0"})
        assert answer.status_code == 504

    async def test_a_time_out_within_the_request_is_not_its_deadline(self, logged: Logged) -> None:
        async def app(*_: object) -> None:
            async with asyncio.timeout(0):
                await asyncio.sleep(60)

        layer = RequestLayer(
            app,
            owner=lambda _: None,
            trusted=True,
            timeout=60,
            max_body=1,
            metrics=HttpMetrics(),
        )
        transport = httpx.ASGITransport(layer)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            assert (await http.get("/")).status_code == 500
        assert logged.line("request.failed")


async def test_other_kinds_of_connection_pass_through() -> None:
    seen = []

    async def app(scope: Any, *_: object) -> None:
        seen.append(scope["type"])

    layer = RequestLayer(
        app, owner=lambda _: None, trusted=True, timeout=1, max_body=1, metrics=HttpMetrics()
    )
    await layer({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
