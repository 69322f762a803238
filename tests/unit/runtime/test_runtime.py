"""The life of a process: what is opened and closed when, and what becomes of its tasks."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import APIRouter

from libs import runtime as runtime_module
from libs.auth.guards import anyone
from libs.auth.settings import TokenSettings
from libs.config import ModuleSettings, ServerSettings, Settings
from libs.context import current, new_context_id
from libs.http.settings import HttpClientSettings
from libs.limits.settings import LimitSettings
from libs.module import Check, Host, Module, Registry, Wired
from libs.runtime import Runtime
from libs.settings import HostSettings
from tests.unit.conftest import Logged

HISTORY: list[str] = []


@pytest.fixture(autouse=True)
def history() -> Iterator[list[str]]:
    HISTORY.clear()
    yield HISTORY
    HISTORY.clear()


class First:
    """A resource that tells when it is opened and closed."""

    failure: ClassVar[Exception | None] = None

    async def open(self) -> None:
        if self.failure:
            raise self.failure
        HISTORY.append(f"open {type(self).__name__}")

    async def close(self) -> None:
        HISTORY.append(f"close {type(self).__name__}")


class Second(First):
    pass


class Broken(First):
    failure = ConnectionError("not there")


class Work:
    """A task that runs until it is stopped, once it has failed as often as it is told to."""

    def __init__(self, name: str, *, failures: int = 0, deaf: bool = False) -> None:
        self.name = name
        self.runs = 0
        self.contexts: list[tuple[str, str]] = []
        self.going = asyncio.Event()
        self.often = asyncio.Event()
        self.ended = False
        self._failures = failures
        self._deaf = deaf
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        self.contexts.append((current().service, current().context_id))
        if self.runs == 3:
            self.often.set()
        if self.runs <= self._failures:
            raise LookupError("planted failure")
        HISTORY.append(f"run {self.name}")
        self.going.set()
        await (asyncio.sleep(60) if self._deaf else self._stopped.wait())
        self.ended = True
        HISTORY.append(f"end {self.name}")

    async def stop(self) -> None:
        self._stopped.set()


def _module(name: str, build: Callable[[Host], Wired], **more: Any) -> Module:
    return Module(
        name=name,
        summary=name,
        settings=ModuleSettings,
        build=lambda host, _: build(host),
        **{"routes": (f"/v1/{name}",), **more},
    )


def _runtime(*modules: Module, peers: dict[str, str] | None = None, **server: Any) -> Runtime:
    process = HostSettings(
        server=ServerSettings.model_validate({"environment": "test", **server}),
        tokens=TokenSettings.model_validate({}),
        http=HttpClientSettings.model_validate({}),
        limits=LimitSettings.model_validate({}),
    )
    settings = Settings(process, {m.name: ModuleSettings() for m in modules}, peers or {})
    return Runtime(Registry(modules), settings, version="1.2.3")


def _sharing(*kinds: type[First], tasks: tuple[Work, ...] = ()) -> Callable[[Host], Wired]:
    def build(host: Host) -> Wired:
        for kind in kinds:
            host.share(kind)
        return Wired(tasks=tasks)

    return build


async def test_resources_open_in_the_order_of_their_use_and_close_the_other_way_round() -> None:
    runtime = _runtime(_module("one", _sharing(First, Second)), _module("two", _sharing(Second)))
    assert HISTORY == []
    async with runtime.opened():
        assert HISTORY == ["open First", "open Second"]
    assert HISTORY[2:] == ["close Second", "close First"]


async def test_a_resource_is_shared() -> None:
    runtime = _runtime(_module("one", _sharing(First)))
    assert runtime.share(First) is runtime.share(First)


async def test_tasks_run_between_opening_and_closing(logged: Logged) -> None:
    work = Work("relay")
    runtime = _runtime(_module("one", _sharing(First, tasks=(work,))))
    before = runtime.health.started
    async with runtime.running():
        assert (before, runtime.health.started) == (False, True)
        await work.going.wait()
    assert runtime.health.stopping
    assert HISTORY == ["open First", "run relay", "end relay", "close First"]
    assert [line["event"] for line in logged.lines()] == ["server.started", "server.stopped"]


async def test_what_was_opened_is_closed_if_the_next_fails() -> None:
    work = Work("relay")
    runtime = _runtime(_module("one", _sharing(First, Broken, Second, tasks=(work,))))
    with pytest.raises(ConnectionError):
        await runtime.running().__aenter__()
    assert HISTORY == ["open First", "close First"]
    assert (work.runs, runtime.health.started) == (0, False)


async def test_what_was_opened_is_closed_if_the_work_fails() -> None:
    work = Work("relay")
    runtime = _runtime(_module("one", _sharing(First, tasks=(work,))))

    async def serve() -> None:
        async with runtime.running():
            await work.going.wait()
            raise LookupError

    with pytest.raises(LookupError):
        await serve()
    assert HISTORY[-2:] == ["end relay", "close First"]


async def test_a_task_that_fails_is_logged_and_started_again(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "RESTART_PAUSE_S", 0)
    work = Work("relay", failures=2)
    async with _runtime(_module("one", _sharing(tasks=(work,)))).running():
        async with asyncio.timeout(10):
            await work.going.wait()
    assert work.runs == 3
    failures = logged.lines("task.failed")
    assert [line["task"] for line in failures] == ["relay", "relay"]
    assert {line["service"] for line in failures} == {"one"}
    assert failures[0]["exception"][0]["exc_value"] == "planted failure"


async def test_a_failing_task_leaves_the_others_alone(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "RESTART_PAUSE_S", 0.001)
    bad, good = Work("bad", failures=1000), Work("good")
    async with _runtime(_module("one", _sharing(tasks=(bad, good)))).running():
        await good.going.wait()
        await bad.often.wait()
    assert (good.runs, good.ended) == (1, True)
    assert logged.lines("task.failed")


async def test_each_task_has_a_context_of_its_own() -> None:
    one, two = Work("one"), Work("two")
    modules = (_module("a", _sharing(tasks=(one,))), _module("b", _sharing(tasks=(two,))))
    async with _runtime(*modules).running():
        await asyncio.gather(one.going.wait(), two.going.wait())
    assert [one.contexts[0][0], two.contexts[0][0]] == ["a", "b"]
    assert len({one.contexts[0][1], two.contexts[0][1], current().context_id}) == 3


async def test_a_task_that_does_not_stop_is_cancelled(logged: Logged) -> None:
    deaf, good = Work("deaf", deaf=True), Work("good")
    async with _runtime(_module("one", _sharing(tasks=(deaf, good))), drain_s=0.05).running():
        await asyncio.gather(deaf.going.wait(), good.going.wait())
    assert (deaf.ended, good.ended) == (False, True)
    assert logged.line("task.cancelled")["task"] == "deaf"


def _asking(kind: str, *, critical: bool) -> Callable[[Host], Wired]:
    async def probe() -> None:
        raise ConnectionError

    return lambda _: Wired(checks=(Check(name=kind, probe=probe, critical=critical),))


@pytest.mark.parametrize("first", [True, False])
async def test_a_dependency_is_critical_if_any_module_says_so(first: bool) -> None:
    modules = (
        _module("one", _asking("redis", critical=first)),
        _module("two", _asking("redis", critical=not first)),
    )
    runtime = _runtime(*modules)
    runtime.health.started = True
    report = await runtime.health.report()
    assert report["status"] == "down"
    assert list(report["dependencies"]) == ["redis"]


class TestPeers:
    """Calls to other modules, in this process or not."""

    @staticmethod
    def _callee(_: Host) -> Wired:
        routes = APIRouter(dependencies=[anyone])

        @routes.get("/v1/callee")
        async def answer() -> dict[str, str]:
            return {"contextId": current().context_id, "service": current().service}

        return Wired(routers=(routes,))

    async def test_one_that_is_hosted_is_called_in_this_process(self) -> None:
        runtime = _runtime(_module("callee", self._callee))
        client = runtime.peer("callee")
        assert client is runtime.peer("callee")
        async with runtime.running():
            answer = await client.request("GET", "/v1/callee", route="/v1/callee")
        assert answer.json() == {"contextId": current().context_id, "service": "callee"}

    async def test_clients_are_closed(self) -> None:
        runtime = _runtime(_module("callee", self._callee), peers={"callee": "http://callee"})
        client = runtime.peer("callee")
        async with runtime.running():
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await client.request("GET", "/v1/callee", route="/v1/callee")


async def test_the_application_serves_all_modules() -> None:
    modules = (_module("callee", TestPeers._callee), _module("other", _sharing()))
    runtime = _runtime(*modules)
    async with runtime.running():
        transport = httpx.ASGITransport(runtime.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            own = new_context_id()
            answer = await http.get("/v1/callee", headers={"x-context-id": own})
            assert answer.json() == {"contextId": own, "service": "callee"}
            assert (await http.get("/meta")).json()["modules"] == ["callee", "other"]
            assert (await http.get("/health/ready")).status_code == 200
        runtime.health.stopping = True
