"""Changing the catalogue: each change is one write to one document, with its event.

    MongoDB acknowledges ──► the cache forgets ──► the event moves to the outbox ──► the answer

From the acknowledgement on the change stands, and the request succeeds whatever becomes of the
rest: an event that could not be moved is moved by the sweeper, and makes the cache forget.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

from pydantic import ValidationError

from libs.contracts.api import ServiceChange, ServiceChanged
from libs.db.idempotency import HEADER, Answer, KeyReused, Scope, fingerprint
from libs.documents.outbox import Keyed, Waiting
from libs.errors import FieldError, InvalidInput, PreconditionFailed
from libs.ids import uuid7
from libs.logging import get_logger
from libs.web.conditional import Precondition
from libs.web.problems import field_errors
from services.api.catalog import documents
from services.api.catalog.documents import Service, milliseconds
from services.api.catalog.errors import ServiceNotFound, SlugTaken
from services.api.catalog.merge import merged
from services.api.catalog.repository import Held, Made
from services.api.catalog.schemas import ServiceContent, ServicePatch, content, fields

log = get_logger()

CREATE: Final = "POST /v1/services"
"""The route, in the scope of idempotency keys."""

ATTEMPTS: Final = 5
"""How often a change that is meant for any version is made anew, if others are faster."""


class ServiceStore(Protocol):
    """What changing needs of `repository.ServiceRepository`."""

    async def find(self, service_id: UUID) -> Held | None: ...
    async def add(self, service: Service, event: Waiting) -> None: ...
    async def update(self, service: Service, event: Waiting) -> bool: ...
    async def made_by(self, scope: Scope) -> Made | None: ...
    async def forget_key(self, scope: Scope) -> None: ...


class Events(Protocol):
    """What changing needs of `libs.documents.outbox.DocumentOutbox`."""

    @property
    def source(self) -> str: ...
    async def forward(self, document_id: UUID, events: Sequence[Waiting]) -> None: ...


class Keys(Protocol):
    """What changing needs of `libs.db.idempotency.IdempotencyKeys`."""

    async def find(self, scope: Scope, fingerprint: bytes) -> Answer | None: ...


class Forgets(Protocol):
    """What changing needs of `service.Catalog`."""

    async def forget(self, service_id: UUID) -> None: ...


class Editor:
    """The use cases of an administrator."""

    def __init__(
        self, services: ServiceStore, *, events: Events, keys: Keys, catalog: Forgets
    ) -> None:
        self._services = services
        self._events = events
        self._keys = keys
        self._catalog = catalog

    async def create(
        self,
        actor: str,
        wanted: ServiceContent,
        *,
        key: str | None,
        answer: Callable[[Service], Answer],
    ) -> Answer:
        """Create a service; once, if there is an idempotency key.

        Args:
            answer: what to say of the new service; kept with the key.

        Raises:
            SlugTaken: another service has its slug.
            KeyReused: the key belongs to a request that asked for something else.
        """
        service = documents.new(uuid7(), by=actor, **fields(wanted))
        made = answer(service)
        if key is None:
            await self._add(service, None)
            return made
        scope = Scope(actor=actor, route=CREATE, key=key)
        asked = fingerprint(wanted.model_dump(mode="json"))
        if (stored := await self._keys.find(scope, asked)) is not None:
            return stored
        keyed = Keyed(scope=scope, fingerprint=asked, answer=made)
        try:
            await self._add(service, keyed)
        except SlugTaken:
            if (earlier := await self._services.made_by(scope)) is None:
                raise
            if (given := await self._given(earlier, keyed)) is not None:
                return given
            await self._services.forget_key(scope)
            await self._add(service, keyed)
        return made

    async def replace(
        self, actor: str, service_id: UUID, wanted: ServiceContent, precondition: Precondition
    ) -> Service:
        """Give a service other content.

        Raises:
            ServiceNotFound: there is none.
            PreconditionFailed: it is not of the version that the change is meant for.
            SlugTaken: another service has the slug.
        """
        return await self._change(actor, service_id, precondition, lambda _: fields(wanted))

    async def patch(
        self, actor: str, service_id: UUID, patch: ServicePatch, precondition: Precondition
    ) -> Service:
        """Change what `patch` names.

        Raises:
            InvalidInput: with what is there already, it breaks a rule.
            ServiceNotFound, PreconditionFailed, SlugTaken: as for `replace`.
        """
        sent = patch.model_dump(mode="json", exclude_unset=True)

        def patched(service: Service) -> dict[str, Any]:
            try:
                return fields(ServiceContent.model_validate(merged(content(service), sent)))
            except ValidationError as error:
                raise InvalidInput(errors=field_errors(error.errors())) from error

        return await self._change(actor, service_id, precondition, patched)

    async def delete(self, actor: str, service_id: UUID, precondition: Precondition) -> None:
        """Delete a service, softly: orders keep its name and price, and its slug is free again.

        Raises:
            ServiceNotFound, PreconditionFailed: as for `replace`.
        """
        gone = {"deleted_at": milliseconds(datetime.now(UTC))}
        await self._change(actor, service_id, precondition, lambda _: gone, "deleted")

    async def _add(self, service: Service, keyed: Keyed | None) -> None:
        event = self._event(service, "created", keyed)
        async with self._forgetting(service.id):
            await self._services.add(service, event)
        _tell(service, "created")
        await self._forward(service.id, [event])

    async def _given(self, earlier: Made, keyed: Keyed) -> Answer | None:
        """The answer to a request that is sent again.

        None: it was given so long ago that it is gone, and with it the key.

        Raises:
            KeyReused: it was another request.
        """
        if earlier.fingerprint != keyed.fingerprint:
            wrong = FieldError(f"/header/{HEADER}", KeyReused.code, "Use a new key")
            raise KeyReused(errors=[wrong])
        for event in earlier.events:
            if event.keyed is not None and event.keyed.scope == keyed.scope:
                await self._forward(earlier.service_id, earlier.events)
                return replace(event.keyed.answer, replayed=True)
        return await self._keys.find(keyed.scope, keyed.fingerprint)

    async def _change(
        self,
        actor: str,
        service_id: UUID,
        precondition: Precondition,
        change: Callable[[Service], dict[str, Any]],
        kind: ServiceChange = "updated",
    ) -> Service:
        """Write what `change` says of the service as it is; nothing, if that is nothing new."""
        for _ in range(ATTEMPTS):
            held = await self._services.find(service_id)
            if held is None:
                raise ServiceNotFound
            precondition.check(held.service.version)
            new = change(held.service)
            if all(getattr(held.service, name) == value for name, value in new.items()):
                return held.service
            service = _next_version(held.service, actor, new)
            event = self._event(service, kind)
            async with self._forgetting(service_id):
                written = await self._services.update(service, event)
            if written:
                _tell(service, kind)
                await self._forward(service_id, [*held.events, event])
                return service
        raise PreconditionFailed

    @asynccontextmanager
    async def _forgetting(self, service_id: UUID) -> AsyncIterator[None]:
        """The block of a write. If that fails, it may have reached MongoDB all the same."""
        try:
            yield
        finally:
            await self._catalog.forget(service_id)

    def _event(
        self, service: Service, change: ServiceChange, keyed: Keyed | None = None
    ) -> Waiting:
        event = ServiceChanged(
            service_id=service.id, slug=service.slug, change=change, revision=service.version
        )
        return Waiting.of(event, source=self._events.source, keyed=keyed)

    async def _forward(self, service_id: UUID, events: Sequence[Waiting]) -> None:
        try:
            await self._events.forward(service_id, events)
        except Exception as error:  # noqa: BLE001  # the change stands; the sweeper does it then
            log.warning(
                "catalog.event_deferred",
                serviceId=str(service_id),
                error=type(error).__name__,
                detail=str(error),
            )


def _tell(service: Service, change: ServiceChange) -> None:
    log.info("catalog.changed", serviceId=str(service.id), change=change, revision=service.version)


def _next_version(service: Service, actor: str, new: dict[str, Any]) -> Service:
    return Service(
        **{
            **{name: getattr(service, name) for name in Service.model_fields},
            "updated_at": milliseconds(datetime.now(UTC)),
            "updated_by": actor,
            "version": service.version + 1,
            **new,
        }
    )
