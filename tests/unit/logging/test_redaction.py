"""What must never be in a log: planted in every place, and then looked for in the output."""

import logging
from collections import UserDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import httpx
import pytest
from pydantic import BaseModel, SecretStr

from libs.logging import REDACTED, get_logger, scrub
from tests.unit.conftest import Logged

log = get_logger()

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.cGxhbnRlZC1zaWduYXR1cmU"
SECRETS = {
    "a token": (JWT, "eyJzdWIiOiJwbGFudGVkIn0"),
    "a bearer": ("Authorization: Bearer planted-bearer==", "planted-bearer"),
    "an e-mail address": ("mail to planted.person+tag@example.co.uk now", "planted.person"),
    "a URL with a password": (
        "cannot reach postgresql://user:planted-word@db:5432/x",
        "planted-word",
    ),
    "a URL with an empty user": ("redis://:planted-word@cache:6379/0", "planted-word"),
    "a query": ("GET https://x.example/v1/users?name=planted-name&x=1", "planted-name"),
    "a password in words": ('{"password": "planted-word"}', "planted-word"),
    "a secret in a form": ("grant_type=x&client_secret=planted-word&scope=y", "planted-word"),
    "a setting": ("THROUGHLINE_WORKER_CLIENT_SECRET=planted-word", "planted-word"),
    "a key": ("api_key=planted-word", "planted-word"),
    "another key": ("X-Api-Key: planted-word", "planted-word"),
    "an upper case key": ("API_KEY=planted-word", "planted-word"),
    "an upper case query": ("TOKEN=planted-word", "planted-word"),
}


@dataclass
class Account:
    email: str
    password: str


class Login(BaseModel):
    email: str
    password: str


class Text(str):
    """A text of another class."""

    __slots__ = ()


def fail(error: Exception) -> NoReturn:
    raise error


def _raise(error: Exception) -> None:
    try:
        fail(error)
    except Exception:
        log.exception("some.event")


def _chain(text: str) -> None:
    with pytest.raises(LookupError) as cause:
        fail(LookupError(text))
    error = ValueError(f"because of {text}")
    error.__cause__ = cause.value
    _raise(error)


def _noted(text: str) -> None:
    error = ValueError("x")
    error.add_note(text)
    _raise(error)


def _foreign_exception(text: str) -> None:
    try:
        fail(OSError(text))
    except OSError:
        logging.getLogger("aiokafka").exception("failed")


PLACES: dict[str, Callable[[str], None]] = {
    "a field": lambda text: log.info("some.event", note=text),
    "another text class": lambda text: log.info("some.event", note=Text(text)),
    "a nested field": lambda text: log.info("some.event", a={"b": [{"c": (text,)}]}),
    "a set": lambda text: log.info("some.event", a={text}),
    "a field's name": lambda text: log.info("some.event", a={text: 1}),
    "bytes": lambda text: log.info("some.event", body=text.encode()),
    "an error": lambda text: log.info("some.event", error=ValueError(text)),
    "errors": lambda text: log.info("some.event", errors=[ValueError(text)]),
    "a mapping": lambda text: log.info("some.event", a=UserDict({"b": text})),
    "an exception": _chain,
    "a group of exceptions": lambda text: _raise(ExceptionGroup("several", [ValueError(text)])),
    "an exception's note": _noted,
    "a foreign message": lambda text: logging.getLogger("other").info(text),
    "a foreign argument": lambda text: logging.getLogger("other").info("about %s", text),
    "a foreign exception": _foreign_exception,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_not_written(logged: Logged, place: str, secret: str) -> None:
    text, planted = SECRETS[secret]
    PLACES[place](text)
    assert logged.lines()
    assert planted not in logged.raw().decode()


@pytest.mark.parametrize(
    "name",
    [
        *("password", "newPassword", "current_password", "secret", "clientSecret", "token"),
        *("accessToken", "refresh_token", "Authorization", "cookie", "Set-Cookie", "apiKey"),
        *("X-API-Key", "privateKey", "signing_key", "email", "EMAIL", "dsn"),
    ],
)
def test_a_field_that_is_called_so_is_not_written(logged: Logged, name: str) -> None:
    log.info("some.event", **{name: "planted"}, nested=[{name: {"deep": "planted"}}])
    assert b"planted" not in logged.raw()
    assert logged.line("some.event")[name] == REDACTED


@pytest.mark.parametrize(
    "value",
    [
        Account("planted@example.com", "planted"),
        Login(email="planted@example.com", password="planted"),
        SecretStr("planted"),
        httpx.URL("https://user:planted@x.example/?q=planted"),
        httpx.Headers({"authorization": "Bearer planted"}),
        [Account("planted@example.com", "planted")],
        {"account": Login(email="planted@example.com", password="planted")},
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_does_not_tell_what_it_holds(logged: Logged, value: object) -> None:
    log.info("some.event", value=value)
    assert b"planted" not in logged.raw()


def test_local_variables_are_not_written(logged: Logged) -> None:
    def fail(password: str) -> None:
        copy = password[:]
        raise LookupError(str(len(copy)))

    try:
        fail("planted")
    except LookupError:
        log.exception("some.event")
        logging.getLogger("other").exception("failed")
    assert b"planted" not in logged.raw()
    assert b"locals" not in logged.raw()


@pytest.mark.parametrize(
    "text",
    [
        "0198c5d2-7b00-7000-8000-000000000001",
        "orders.insert",
        "/v1/orders/{order_id}",
        "http://127.0.0.1:8000/docs",
        "a key was not found",
        "the token has expired",
        "is this it?",
        "12.50 EUR @ 3",
        "keyset cursors",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    assert scrub(text) == text
