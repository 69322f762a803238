"""How modules declare their routes."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, params
from fastapi.routing import APIRoute
from starlette.responses import Response

from libs.errors import UnsupportedMediaType

JSON = ("application/json", "application/merge-patch+json")
FORM = ("application/x-www-form-urlencoded",)


class Route(APIRoute):
    """A route that refuses a body of another media type than it reads (415)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler
        accepted = FORM if isinstance(self.body_field.field_info, params.Form) else JSON

        async def checked(request: Request) -> Response:
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if given not in accepted:
                raise UnsupportedMediaType(f"Content-Type must be {' or '.join(accepted)}")
            return await handler(request)

        return checked


def api_router(*, tag: str, prefix: str = "") -> APIRouter:
    """A router for a domain's routes.

    Args:
        tag: groups the routes in the docs.
        prefix: of all paths.
    """
    return APIRouter(route_class=Route, prefix=prefix, tags=[tag])
