"""POST /v1/orders, GET /v1/orders."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from libs import errors
from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db import idempotency
from libs.db.idempotency import Answer
from libs.web.openapi import problems
from libs.web.pagination import InvalidCursor, render
from libs.web.routing import api_router
from services.api.orders.errors import CurrencyMismatch, NoCustomer, OrderNotFound, UnknownService
from services.api.orders.repository import Order
from services.api.orders.schemas import OrderPage, OrderQuery, OrderView, PlaceOrder, view
from services.api.orders.service import Orders

PATH = "/v1/orders"
JSON = "application/json"
REPLAYED = {"Idempotency-Replayed": "true"}

IdempotencyKey = Annotated[
    str,
    Header(
        alias=idempotency.HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Chosen by the client; the same for a request that is sent again",
    ),
]


def router(orders: Orders) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="orders")

    @routes.post(
        PATH,
        summary="Place an order",
        status_code=201,
        response_model=OrderView,
        responses=problems(
            errors.MalformedBody,
            errors.InvalidInput,
            UnknownService,
            CurrencyMismatch,
            NoCustomer,
            idempotency.InFlight,
            idempotency.KeyReused,
            errors.UnsupportedMediaType,
        ),
    )
    async def place_order(
        principal: Annotated[Principal, require(Permission.ORDERS_PLACE)],
        wanted: PlaceOrder,
        key: IdempotencyKey,
    ) -> Response:
        answer = await orders.place(principal, wanted, key=key, answer=_created)
        headers = {**answer.headers, **(REPLAYED if answer.replayed else {})}
        return Response(answer.body, answer.status, headers, JSON)

    @routes.get(
        PATH,
        summary="Orders, the newest first",
        description="One's own; support and administrators see everybody's.",
        response_model=OrderPage,
        responses=problems(errors.InvalidInput, InvalidCursor),
    )
    async def list_orders(
        principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)],
        query: Annotated[OrderQuery, Query()],
    ) -> Response:
        found, cursor = await orders.page(principal, query)
        return Response(render([view(order) for order in found], cursor), media_type=JSON)

    @routes.get(
        f"{PATH}/{{id}}",
        summary="An order",
        response_model=OrderView,
        responses=problems(OrderNotFound, errors.InvalidInput),
    )
    async def get_order(
        principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)],
        order_id: Annotated[UUID, Path(alias="id")],
    ) -> Response:
        order = await orders.get(principal, order_id)
        return Response(orjson.dumps(view(order)), media_type=JSON, headers=_etag(order))

    return routes


def _created(order: Order) -> Answer:
    headers = {"Location": f"{PATH}/{order.id}", **_etag(order)}
    return Answer(status=201, body=orjson.dumps(view(order)), headers=headers)


def _etag(order: Order) -> dict[str, str]:
    return {"ETag": f'"{order.version}"'}
