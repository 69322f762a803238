"""Each command is a line under the contextId of the task that asked for it."""

import asyncio
from collections import Counter

import pytest
from pymongo.errors import OperationFailure
from structlog.typing import EventDict

from libs.context import RequestContext, use
from libs.documents.command_log import LOOKING
from libs.documents.documents import Documents

ALWAYS = {"timestamp", "level", "log_level", "service", "version", "env", "event", "contextId"}


def _context(number: int) -> RequestContext:
    return RequestContext(context_id=f"ctx-{number:08}", service="api")


async def test_a_line_has_no_values(documents: Documents, log: list[EventDict]) -> None:
    async with documents.operation():
        await documents.collection("things").insert_one({"name": "a secret"})
        await documents.collection("things").find_one({"name": "a secret"})
    assert [(line["command"], line["collection"]) for line in log] == [
        ("insert", "things"),
        ("find", "things"),
    ]
    for line in log:
        assert line.keys() - ALWAYS == {"command", "collection", "durationMs"}
        assert line["event"] == "document.command"
        assert line["level"] == "info"
        assert line["durationMs"] > 0


async def test_a_failure_is_a_warning_without_its_message(
    documents: Documents, log: list[EventDict]
) -> None:
    with pytest.raises(OperationFailure):
        async with documents.operation():
            await documents.collection("things").find_one({"$nonsense": "a secret"})
    (line,) = log
    assert (line["level"], line["command"], line["collection"]) == ("warning", "find", "things")
    assert line["error"]
    assert "secret" not in str(line)


async def test_slow_commands_are_warnings(documents: Documents, log: list[EventDict]) -> None:
    assert documents._settings is not None
    eager = Documents()
    eager.configure(documents._settings.model_copy(update={"slow_ms": 0}))
    await eager.open()
    async with eager.operation():
        await eager.collection("things").find_one({})
    await eager.close()
    assert [line["level"] for line in log] == ["warning"]


async def test_probes_are_not_logged(documents: Documents, log: list[EventDict]) -> None:
    await documents.ping()
    assert log == []


async def test_looking_for_work_is_not_logged_unless_it_fails(
    documents: Documents, log: list[EventDict]
) -> None:
    things = documents.collection("things")
    async with documents.operation():
        assert await things.find({}, comment=LOOKING).to_list(None) == []
        assert log == []
        with pytest.raises(OperationFailure):
            await things.find({"$nonsense": 1}, comment=LOOKING).to_list(None)
        await things.find_one({})
    assert [line["level"] for line in log] == ["warning", "info"]


async def test_each_task_has_its_own_context_id(documents: Documents, log: list[EventDict]) -> None:
    """Also for the later batches of a cursor, which motor fetches from a callback."""
    async with documents.operation():
        await documents.collection("things").insert_many([{"n": n} for n in range(5)])
    log.clear()

    async def work(number: int) -> None:
        with use(_context(number)):
            async with documents.operation():
                things = documents.collection("things")
                await things.find_one({"n": 1})
                assert len(await things.find({}).batch_size(2).to_list(None)) == 5
                assert len([thing async for thing in things.find({}).batch_size(2)]) == 5

    await asyncio.gather(*(work(number) for number in range(20)))
    counted = Counter((line["contextId"], line["command"]) for line in log)
    for number in range(20):
        context_id = _context(number).context_id
        assert counted[context_id, "find"] == 3
        assert counted[context_id, "getMore"] == 4
    assert {line["collection"] for line in log} == {"things"}
    assert len(counted) == 40, "no line under another id"
