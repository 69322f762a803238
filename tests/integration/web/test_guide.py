"""Every example of docs/api.md is what really comes back.

A block of the kind `http` is a request, or the answer to the one before it. `$NAME` in a request is
a value that is known from before: a token, or the id in an answer. What differs from run to run
(ids, times, tokens, cursors) only has to be of the same kind.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx
import orjson
import pytest

from libs.module import Registry
from tests.integration.web.conftest import PASSWORD, URL, OneProcess

GUIDE: Final = Path(__file__).parents[3] / "docs" / "api.md"

_BLOCK: Final = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHANGING: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"cursor=[\w-]+"), "cursor=<cursor>"),
    (re.compile(r'"(nextCursor|accessToken|refreshToken)": ?"[\w.-]+"'), r'"\1":"<secret>"'),
)


@dataclass(frozen=True)
class Message:
    """A request or an answer."""

    first_line: str
    headers: Mapping[str, str]
    body: str

    @classmethod
    def parse(cls, text: str) -> "Message":
        head, _, body = text.partition("\n\n")
        first_line, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(first_line.strip(), headers, body.strip())


def _examples() -> Iterator[tuple[Message, Message]]:
    messages = [Message.parse(block) for block in _BLOCK.findall(GUIDE.read_text())]
    requests, answers = messages[::2], messages[1::2]
    yield from zip(requests, answers, strict=True)


def _same_kind(text: str) -> str:
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return text


def _json(text: str) -> Any:
    """The body; what is left out in the guide with `…` is left out."""
    return orjson.loads(_same_kind(text)) if text else None


def _assert_equal(shown: Any, real: Any, place: str = "") -> None:
    """Objects that end with an ellipsis in the guide have more fields in truth."""
    if isinstance(shown, dict) and isinstance(real, dict):
        more = shown.pop("…", None) is not None
        assert shown.keys() == (real.keys() & shown.keys() if more else real.keys()), place
        for name, value in shown.items():
            _assert_equal(value, real[name], f"{place}/{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        assert len(shown) == len(real), place
        for number, value in enumerate(shown):
            _assert_equal(value, real[number], f"{place}/{number}")
    else:
        assert shown == real, place


@pytest.fixture
async def http(
    modules: Registry, environ: dict[str, str], tokens: dict[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    runtime = OneProcess(modules, environ)
    transport = httpx.ASGITransport(cast(Any, runtime.app))
    async with runtime.opened(), httpx.AsyncClient(transport=transport, base_url=URL) as http:
        yield http


async def test_the_guide(http: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    known = {"TOKEN": tokens["customer"], "PASSWORD": PASSWORD}
    for request, shown in _examples():
        method, target, _ = _filled(request.first_line, known).split(" ")
        headers = {name: _filled(value, known) for name, value in request.headers.items()}
        body = _filled(request.body, known).encode()
        answer = await http.request(method, target, headers=headers, content=body)
        where = f"{request.first_line}: {answer.text}"
        assert shown.first_line == f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}", where
        for name, value in shown.headers.items():
            assert _same_kind(value) == _same_kind(answer.headers.get(name, "")), (where, name)
        _assert_equal(_json(shown.body), _json(answer.text), where)
        if answer.headers.get("location"):
            known[target.rpartition("/")[2].rstrip("s").upper()] = answer.json()["id"]
    assert {"TOKEN", "ORDER"} <= known.keys()


def _filled(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$([A-Z]+)", lambda match: known[match[1]], text)
