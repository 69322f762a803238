"""GET /v1/exchange-rates."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.contracts.integrations import ExchangeRate
from libs.schema import Currency
from libs.web.openapi import problems
from libs.web.routing import api_router
from services.integrations.exchange_rates.errors import UnknownCurrency
from services.integrations.exchange_rates.service import ExchangeRates

PATH = "/v1/exchange-rates"


def router(service: ExchangeRates) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="exchange rates")

    @routes.get(
        PATH,
        summary="The newest reference rate between two currencies",
        response_model=ExchangeRate,
        responses=problems(UnknownCurrency),
        dependencies=[require(Permission.REFERENCE_READ)],
    )
    async def get_exchange_rate(
        base: Annotated[Currency, Query(description="one unit of this currency")],
        quote: Annotated[Currency, Query(description="in units of this one")],
    ) -> Response:
        return Response(await service.rate(base, quote), media_type="application/json")

    return routes
