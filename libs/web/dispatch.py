"""The short way to a route: one look into a tree of paths, instead of FastAPI's whole stack.

For a route that `libs.web.lean` has prepared, nothing else in that stack has anything to do: this
finds it, calls it, and turns errors into answers with the handlers that the application has for
them. All other requests, also those for which there is no route, go to the application.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import cast

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.web.routing import Route


class _Place:
    """A place in the tree of paths.

    Attributes:
        children: what comes after it, by its text; None: the value of a parameter.
        routes: those whose path ends here, by method, with the names of the parameters on the way.
    """

    __slots__ = ("children", "routes")

    def __init__(self) -> None:
        self.children: dict[str | None, _Place] = {}
        self.routes: dict[str, tuple[Route, Sequence[str]]] = {}


class Dispatcher:
    """The application, with the short way.

    Args:
        app: what serves all other requests.
        routes: those of the application.
    """

    def __init__(self, app: FastAPI, routes: Iterable[APIRoute]) -> None:
        self._app = app
        self._root = _Place()
        for route in routes:
            if isinstance(route, Route) and route.prepared and _is_simple(route):
                self._add(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self._find(scope["method"], scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        route, values = found
        scope["app"], scope["route"], scope["endpoint"] = self._app, route, route.endpoint
        scope["path_params"] = values
        request = Request(scope, receive, send)
        try:
            response = await route.respond(request)
        except Exception as error:  # noqa: BLE001 (it is raised again unless there is a handler)
            response = await self._answer_to(error, request)
        await response(scope, receive, send)

    def _add(self, route: Route) -> None:
        place, names = self._root, []
        for part in route.path.split("/"):
            is_parameter = part.startswith("{")
            if is_parameter:
                names.append(part[1:-1])
            place = place.children.setdefault(None if is_parameter else part, _Place())
        for method in route.methods or ():
            place.routes.setdefault(method, (route, names))

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """A route, and the values of its path's parameters. A text goes before a parameter."""
        place, values = self._root, []
        for part in path.split("/"):
            child = place.children.get(part)
            if child is None:
                child = place.children.get(None)
                if child is None or not part:
                    return None
                values.append(part)
            place = child
        found = place.routes.get(method)
        return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))

    async def _answer_to(self, error: Exception, request: Request) -> Response:
        handlers = self._app.exception_handlers
        for kind in type(error).__mro__:
            if kind is not Exception and kind in handlers:
                handle = cast("Callable[[Request, Exception], Awaitable[Response]]", handlers[kind])
                return await handle(request, error)
        raise error


def _is_simple(route: Route) -> bool:
    """Whether each parameter is a whole part of the path, and any text."""
    parts = [part for part in route.path.split("/") if "{" in part]
    return len(parts) == len(route.param_convertors) and all(
        part == f"{{{name}}}" and isinstance(convertor, StringConvertor)
        for part, (name, convertor) in zip(parts, route.param_convertors.items(), strict=True)
    )
