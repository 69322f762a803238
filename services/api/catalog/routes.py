"""GET /v1/services."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from libs import errors
from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.web.openapi import problems
from libs.web.pagination import InvalidCursor
from libs.web.routing import api_router
from services.api.catalog.documents import Service
from services.api.catalog.errors import ServiceNotFound
from services.api.catalog.schemas import ServicePage, ServiceQuery
from services.api.catalog.service import Catalog

PATH = "/v1/services"
JSON = "application/json"


def router(catalog: Catalog) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="catalog")
    guard = require(Permission.CATALOG_READ)

    @routes.get(
        PATH,
        summary="Services by name",
        response_model=ServicePage,
        responses=problems(errors.InvalidInput, InvalidCursor),
        dependencies=[guard],
    )
    async def list_services(query: Annotated[ServiceQuery, Query()]) -> Response:
        return Response(await catalog.page(query), media_type=JSON)

    @routes.get(
        f"{PATH}/{{id}}",
        summary="A service",
        response_model=Service,
        responses=problems(ServiceNotFound, errors.InvalidInput),
        dependencies=[guard],
    )
    async def get_service(service_id: Annotated[UUID, Path(alias="id")]) -> Response:
        service = await catalog.get(service_id)
        return Response(service.body, media_type=JSON, headers={"ETag": f'"{service.version}"'})

    return routes
