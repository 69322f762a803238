"""POST, GET /v1/orders; GET, PATCH, DELETE /v1/orders/{id}; POST /v1/orders/{id}/cancel."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from libs import errors
from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.db import idempotency
from libs.db.idempotency import Answer
from libs.web.conditional import IfMatch, OptionalIfMatch, etag
from libs.web.idempotency import IdempotencyKey, OptionalIdempotencyKey, answered
from libs.web.openapi import problems
from libs.web.pagination import InvalidCursor, page_response
from libs.web.routing import JSON, api_router
from services.api.orders.errors import (
    CurrencyMismatch,
    IllegalStatusChange,
    NoCustomer,
    NotPending,
    OrderNotFound,
    UnknownService,
)
from services.api.orders.repository import Order
from services.api.orders.schemas import (
    ChangeOrder,
    OrderPage,
    OrderQuery,
    OrderView,
    PlaceOrder,
    view,
)
from services.api.orders.service import Orders

PATH = "/v1/orders"
ONE = f"{PATH}/{{id}}"

OrderId = Annotated[UUID, Path(alias="id")]
Reader = Annotated[Principal, require(Permission.ORDERS_READ_OWN)]
Writer = Annotated[Principal, require(Permission.ORDERS_WRITE_OWN)]


def router(orders: Orders) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="orders")
    _add_list(routes, orders)
    _add_single(routes, orders)
    return routes


def _add_list(routes: APIRouter, orders: Orders) -> None:
    @routes.post(
        PATH,
        summary="Place an order",
        description="Prices are today's of the catalogue; they stay with the order.",
        status_code=201,
        response_model=OrderView,
        responses=problems(
            UnknownService,
            CurrencyMismatch,
            NoCustomer,
            idempotency.InFlight,
            idempotency.KeyReused,
        ),
    )
    async def place_order(
        principal: Annotated[Principal, require(Permission.ORDERS_PLACE)],
        wanted: PlaceOrder,
        key: IdempotencyKey,
    ) -> Response:
        return answered(await orders.place(principal, wanted, key=key, answer=_created))

    @routes.get(
        PATH,
        summary="Orders, the newest first",
        description="One's own; support and administrators see everybody's.",
        response_model=OrderPage,
        responses=problems(InvalidCursor),
    )
    async def list_orders(
        request: Request, principal: Reader, query: Annotated[OrderQuery, Query()]
    ) -> Response:
        found, cursor = await orders.page(principal, query)
        return page_response(request, [view(order) for order in found], cursor)


def _add_single(routes: APIRouter, orders: Orders) -> None:
    @routes.get(
        ONE,
        summary="An order",
        response_model=OrderView,
        responses=problems(OrderNotFound),
    )
    async def get_order(principal: Reader, order_id: OrderId) -> Response:
        return _shown(await orders.get(principal, order_id))

    @routes.patch(
        ONE,
        summary="Change an order's note, and its lines while it is pending",
        description="For its customer and administrators. Lines get today's prices; a pending"
        " order that is changed is assessed anew.",
        response_model=OrderView,
        responses=problems(OrderNotFound, NotPending, UnknownService, CurrencyMismatch),
    )
    async def change_order(
        principal: Writer, order_id: OrderId, patch: ChangeOrder, precondition: IfMatch
    ) -> Response:
        return _shown(await orders.change(principal, order_id, patch, precondition))

    @routes.post(
        f"{ONE}/cancel",
        summary="Cancel an order that is pending or confirmed",
        description="For its customer and administrators.",
        response_model=OrderView,
        responses=problems(
            OrderNotFound,
            IllegalStatusChange,
            errors.PreconditionFailed,
            idempotency.InFlight,
            idempotency.KeyReused,
        ),
    )
    async def cancel_order(
        principal: Writer,
        order_id: OrderId,
        precondition: OptionalIfMatch,
        key: OptionalIdempotencyKey = None,
    ) -> Response:
        return answered(
            await orders.cancel(principal, order_id, precondition, key=key, answer=_cancelled)
        )

    @routes.delete(
        ONE,
        summary="Delete an order",
        description="For administrators. Nobody sees it any more; the audit log still tells of it.",
        status_code=204,
        responses=problems(OrderNotFound),
    )
    async def delete_order(principal: Writer, order_id: OrderId, precondition: IfMatch) -> Response:
        await orders.delete(principal, order_id, precondition)
        return Response(status_code=204)


def _shown(order: Order) -> Response:
    return Response(orjson.dumps(view(order)), media_type=JSON, headers=etag(order.version))


def _created(order: Order) -> Answer:
    headers = {"Location": f"{PATH}/{order.id}", **etag(order.version)}
    return Answer(status=201, body=orjson.dumps(view(order)), headers=headers)


def _cancelled(order: Order) -> Answer:
    return Answer(status=200, body=orjson.dumps(view(order)), headers=etag(order.version))
