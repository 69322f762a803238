"""What a module declares of itself, once, in its `services/<module>/module.py`.

From the declaration everything else is derived or checked: the routes of the ingress, the import
rules, database roles, Kafka topics, the diagram in the docs. Nothing in a module knows which other
modules run in its process.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from libs.config import ModuleSettings, ServerSettings
from libs.events.event import Event

if TYPE_CHECKING:  # names of types only: a declaration costs neither framework nor driver
    from fastapi import APIRouter

    from libs.http.client import HttpClient


class Resource(Protocol):
    """Something a process has one of: opened before anything is served, closed after."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...


class Task(Protocol):
    """Work that goes on beside the requests: a relay, a consumer."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Work until `stop` is called. Deals with its own failures; ends early only by a defect."""

    async def stop(self) -> None:
        """End soon, with the piece of work at hand finished and committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question that readiness asks.

    Attributes:
        name: of the dependency.
        probe: returns when all is well, raises when not.
        critical: whether the process is of no use without it. An informational check is shown
            and does not take the process out of the load balancer.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    critical: bool


R = TypeVar("R", bound=Resource)


class Host(Protocol):
    """What a module gets from the process it is built in."""

    @property
    def server(self) -> ServerSettings: ...

    def share(self, kind: type[R]) -> R:
        """The one instance of `kind` in this process, made on first use."""

    def peer(self, name: str) -> "HttpClient":
        """A client for the module `name`, over the network or within this process.

        Args:
            name: one of those that the module's declaration `uses`.
        """


@dataclass(frozen=True, kw_only=True)
class Wired:
    """A module, put together.

    Attributes:
        routers: what it serves.
        tasks: what runs beside the requests.
        checks: what readiness depends on.
        prepare: creates what the module needs beside its schema (indexes of collections, topics);
            safe to repeat. Part of a migration.
        seed: puts the module's demo data in place; safe to repeat.
    """

    routers: "Sequence[APIRouter]" = ()
    tasks: Sequence[Task] = ()
    checks: Sequence[Check] = ()
    prepare: Callable[[], Awaitable[None]] | None = None
    seed: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module's declaration.

    Attributes:
        name: also that of its folder, of its database schema and role, and of its consumer group.
        summary: one line for people.
        settings: its settings class.
        build: the composition root.
        routes: the path prefixes that it serves; no two modules share one.
        models: the Python modules that hold its Tortoise models; none: it has no schema.
        documents: the MongoDB collections that it owns.
        publishes: the events it may add to its outbox.
        consumes: the events it has handlers for.
    """

    name: str
    summary: str
    settings: type[ModuleSettings]
    build: Callable[[Host, Any], Wired]
    routes: tuple[str, ...]
    models: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    publishes: tuple[type[Event], ...] = ()
    consumes: tuple[type[Event], ...] = ()

    @property
    def uses(self) -> tuple[str, ...]:
        """The modules whose contracts it calls synchronously."""
        return self.settings.uses


@dataclass(frozen=True)
class Registry:
    """A set of modules that fit together."""

    modules: tuple[Module, ...] = field(default=())

    def __post_init__(self) -> None:
        owners: dict[str, str] = {}
        for module in self.modules:
            for route in module.routes:
                other = owners.setdefault(route, module.name)
                if other is not module.name:
                    raise ValueError(f"{other} and {module.name} both claim the route {route}")

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(module.name for module in self.modules)

    def owner(self, path: str) -> str | None:
        """The module that serves `path`, if it is one of these."""
        for module in self.modules:
            for prefix in module.routes:
                if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                    return module.name
        return None
