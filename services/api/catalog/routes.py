"""POST, GET /v1/services; GET, PUT, PATCH, DELETE /v1/services/{id}."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db import idempotency
from libs.db.idempotency import Answer
from libs.web.conditional import IfMatch, etag
from libs.web.idempotency import OptionalIdempotencyKey, answered
from libs.web.openapi import problems
from libs.web.pagination import InvalidCursor, link_next
from libs.web.routing import JSON, api_router
from services.api.catalog.documents import Service
from services.api.catalog.editor import Editor
from services.api.catalog.errors import ServiceNotFound, ServiceUnreadable, SlugTaken
from services.api.catalog.schemas import (
    ServiceContent,
    ServicePage,
    ServicePatch,
    ServiceQuery,
    ServiceView,
    view,
)
from services.api.catalog.service import Catalog

PATH = "/v1/services"
ONE = f"{PATH}/{{id}}"

ServiceId = Annotated[UUID, Path(alias="id")]
Writer = Annotated[Principal, require(Permission.CATALOG_WRITE)]


def router(catalog: Catalog, editor: Editor) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="catalog")
    _add_reading(routes, catalog)
    _add_creating(routes, editor)
    _add_changing(routes, editor)
    return routes


def _add_reading(routes: APIRouter, catalog: Catalog) -> None:
    guard = require(Permission.CATALOG_READ)

    @routes.get(
        PATH,
        summary="Services by name",
        response_model=ServicePage,
        responses=problems(InvalidCursor),
        dependencies=[guard],
    )
    async def list_services(request: Request, query: Annotated[ServiceQuery, Query()]) -> Response:
        page = await catalog.page(query)
        headers = link_next(request, page.next_cursor)
        return Response(page.body, media_type=JSON, headers=headers)

    @routes.get(
        ONE,
        summary="A service",
        response_model=ServiceView,
        responses=problems(ServiceNotFound, ServiceUnreadable),
        dependencies=[guard],
    )
    async def get_service(service_id: ServiceId) -> Response:
        service = await catalog.get(service_id)
        return Response(service.body, media_type=JSON, headers=etag(service.version))


def _add_creating(routes: APIRouter, editor: Editor) -> None:
    @routes.post(
        PATH,
        summary="Create a service",
        status_code=201,
        response_model=ServiceView,
        responses=problems(SlugTaken, idempotency.KeyReused),
    )
    async def create_service(
        principal: Writer, wanted: ServiceContent, key: OptionalIdempotencyKey = None
    ) -> Response:
        return answered(await editor.create(principal.subject, wanted, key=key, answer=_created))


def _add_changing(routes: APIRouter, editor: Editor) -> None:
    @routes.put(
        ONE,
        summary="Replace a service's content",
        description="What is left out gets its default.",
        response_model=ServiceView,
        responses=problems(ServiceNotFound, SlugTaken, ServiceUnreadable),
    )
    async def replace_service(
        principal: Writer, service_id: ServiceId, wanted: ServiceContent, precondition: IfMatch
    ) -> Response:
        return _shown(await editor.replace(principal.subject, service_id, wanted, precondition))

    @routes.patch(
        ONE,
        summary="Change a service",
        description="What is left out stays as it is; a null in `config` takes its member away.",
        response_model=ServiceView,
        responses=problems(ServiceNotFound, SlugTaken, ServiceUnreadable),
    )
    async def change_service(
        principal: Writer, service_id: ServiceId, patch: ServicePatch, precondition: IfMatch
    ) -> Response:
        return _shown(await editor.patch(principal.subject, service_id, patch, precondition))

    @routes.delete(
        ONE,
        summary="Delete a service",
        description="Orders keep its name and price; its slug is free again.",
        status_code=204,
        responses=problems(ServiceNotFound, ServiceUnreadable),
    )
    async def delete_service(
        principal: Writer, service_id: ServiceId, precondition: IfMatch
    ) -> Response:
        await editor.delete(principal.subject, service_id, precondition)
        return Response(status_code=204)


def _shown(service: Service) -> Response:
    return Response(orjson.dumps(view(service)), media_type=JSON, headers=etag(service.version))


def _created(service: Service) -> Answer:
    headers = {"Location": f"{PATH}/{service.id}", **etag(service.version)}
    return Answer(status=201, body=orjson.dumps(view(service)), headers=headers)
