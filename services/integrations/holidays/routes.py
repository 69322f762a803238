"""GET /v1/holidays."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.contracts.integrations import Holidays
from libs.schema import Country
from libs.web.openapi import problems
from libs.web.routing import api_router
from services.integrations.holidays.errors import UnknownCountry
from services.integrations.holidays.service import PublicHolidays

PATH = "/v1/holidays"


def router(service: PublicHolidays) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="holidays")

    @routes.get(
        PATH,
        summary="The nationwide public holidays of a country in a year",
        response_model=Holidays,
        responses=problems(UnknownCountry),
        dependencies=[require(Permission.REFERENCE_READ)],
    )
    async def list_holidays(
        country: Annotated[Country, Query(description="ISO 3166-1 alpha-2")],
        year: Annotated[int, Query(ge=2000, le=2100)],
    ) -> Response:
        return Response(await service.of(country, year), media_type="application/json")

    return routes
