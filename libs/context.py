"""The request context: who asked for the work at hand, and under which id it is followed.

One `ContextVar` holds it. It is set where work enters (an HTTP request, an event, a job, a
command) and read where work leaves a trace (log line, outbox row, event header, outbound call,
audit record). Outside any of these, `current()` is the process' own context, made at start-up:
there is no code that runs without a contextId.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from libs.ids import uuid7_text

CONTEXT_ID_HEADER = "x-context-id"
CAUSATION_ID_HEADER = "x-causation-id"
DEADLINE_HEADER = "x-request-deadline-ms"

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What is known of the work at hand.

    Attributes:
        context_id: joins every trace of one piece of work; `[A-Za-z0-9._-]{8,64}`.
        service: the module whose code runs, or "throughline" for the process itself.
        actor: the user's id, or "service:<module>" for a module acting by itself.
        session_id: the session of the user, if it is a user's.
        roles: of the actor; empty in work that follows an event, which grants nothing.
        causation_id: the event, or the request, that caused this work.
        deadline: in terms of `time.monotonic()`; an outbound call never outlives it.
    """

    context_id: str
    service: str
    actor: str | None = None
    session_id: str | None = None
    roles: tuple[str, ...] = ()
    causation_id: str | None = None
    deadline: float | None = None


def new_context_id() -> str:
    """A context id of our own making: a UUIDv7."""
    return uuid7_text()


def accept_context_id(value: str | None) -> str | None:
    """`value` if it may be taken over as a context id, else None."""
    return value if value is not None and _ACCEPTABLE.fullmatch(value) else None


_current: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)
_process = RequestContext(context_id=new_context_id(), service="throughline")

transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)
"""True inside a unit of work. Here, so that `libs.http` can refuse a remote call in a transaction
without knowing of databases."""


def current() -> RequestContext:
    """The context of the running task, or the process' own."""
    return _current.get() or _process


def set_process_context(context: RequestContext) -> None:
    """Replace the context that work outside any request has (called once, at start-up)."""
    global _process
    _process = context


class use:  # noqa: N801 (a context manager, named for what it reads like)
    """Run a block in `context`; the one before it is back afterwards."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def __enter__(self) -> RequestContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def amend(
    *,
    service: str | None = None,
    actor: str | None = None,
    session_id: str | None = None,
    roles: tuple[str, ...] | None = None,
    deadline: float | None = None,
) -> None:
    """Complete the running task's context, once more of it is known (the route, the principal)."""
    now = current()
    _current.set(  # not `dataclasses.replace`, which takes three times as long
        RequestContext(
            context_id=now.context_id,
            service=service or now.service,
            actor=actor or now.actor,
            session_id=session_id or now.session_id,
            roles=now.roles if roles is None else roles,
            causation_id=now.causation_id,
            deadline=deadline or now.deadline,
        )
    )


def to_headers() -> dict[str, str]:
    """The context as HTTP request headers.

    The actor is not among them: identity comes from a verified token and from nothing else.
    """
    context = current()
    headers = {CONTEXT_ID_HEADER: context.context_id}
    if context.causation_id:
        headers[CAUSATION_ID_HEADER] = context.causation_id
    return headers


def from_headers(
    headers: Mapping[str, str], *, service: str, trusted: bool, deadline: float | None = None
) -> RequestContext:
    """The context that a request asks for.

    Args:
        headers: with lower-case names.
        service: the module that answers the request.
        trusted: whether the caller's ids are taken over; otherwise new ones are made.
        deadline: in terms of `time.monotonic()`.
    """
    wanted = accept_context_id(headers.get(CONTEXT_ID_HEADER)) if trusted else None
    causation = accept_context_id(headers.get(CAUSATION_ID_HEADER)) if trusted else None
    return RequestContext(
        context_id=wanted or new_context_id(),
        service=service,
        causation_id=causation,
        deadline=deadline,
    )
