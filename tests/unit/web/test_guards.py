"""Access is denied by default: a route says who may call it, or the process does not start."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from starlette.routing import Route

from libs.auth.guards import anyone, require
from libs.auth.permissions import ROLES, Permission, permissions_of
from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.web.app import UnguardedRoute
from tests.unit.conftest import Logged
from tests.unit.web.app import application, client
from tests.unit.web.tokens import KEY, claims, sign


async def _endpoint() -> dict[str, str]:
    return {}


def _signed_in() -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/things/audit")
    async def audit(
        principal: Annotated[Principal, require(Permission.AUDIT_READ)],
    ) -> dict[str, str]:
        return {"subject": principal.subject}

    return routes


def test_a_route_without_a_guard_is_refused() -> None:
    routes = APIRouter()
    routes.add_api_route("/v1/open", _endpoint, methods=["GET", "POST"])
    with pytest.raises(UnguardedRoute, match=r"GET,POST /v1/open declares no guard"):
        application([routes])


def test_one_among_many_is_found() -> None:
    routes = APIRouter()
    routes.add_api_route("/v1/guarded", _endpoint, dependencies=[anyone])
    routes.add_api_route("/v1/open", _endpoint)
    with pytest.raises(UnguardedRoute, match="/v1/open"):
        application([_signed_in(), routes])


def test_another_dependency_is_no_guard() -> None:
    routes = APIRouter(dependencies=[Depends(_endpoint)])
    routes.add_api_route("/v1/open", _endpoint)
    with pytest.raises(UnguardedRoute):
        application([routes])


def test_a_router_within_a_router_cannot_hide_one() -> None:
    inner, outer = APIRouter(), APIRouter()
    inner.add_api_route("/v1/open", _endpoint)
    outer.include_router(inner)
    with pytest.raises(UnguardedRoute):
        application([outer])


def test_a_route_of_another_kind_cannot_hide_either() -> None:
    async def socket(_: object) -> None: ...

    routers = [APIRouter(), APIRouter(), APIRouter()]
    routers[0].routes.append(Route("/v1/open", lambda _: _))
    routers[1].add_api_websocket_route("/v1/open", socket)
    routers[2].mount("/v1/open", application())
    for router in routers:
        with pytest.raises(UnguardedRoute, match="/v1/open"):
            application([router])


@pytest.mark.parametrize("dependencies", [[anyone], [require(Permission.AUDIT_READ)]])
def test_a_guard_of_the_router_guards_its_routes(dependencies: list[Any]) -> None:
    routes = APIRouter(dependencies=dependencies)
    routes.add_api_route("/v1/guarded", _endpoint)
    assert application([routes])


def test_a_guard_behind_another_dependency_guards() -> None:
    async def principal(holder: Annotated[Principal, require(Permission.PROFILE)]) -> Principal:
        return holder

    routes = APIRouter(dependencies=[Depends(principal)])
    routes.add_api_route("/v1/guarded", _endpoint)
    assert application([routes])


async def _ask(logged: Logged, authorization: str | None) -> tuple[int, dict[str, Any]]:
    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.public]}

    verifier = TokenVerifier(keys, TokenSettings())
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    async with client(_signed_in(), verifier=verifier) as http:
        answer = await http.get("/v1/things/audit", headers=headers)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    assert b"eyJ" not in logged.raw()
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer x", "Bearer a.b.c", "Bearer \xe9"],
)
async def test_without_a_token_nobody_gets_in(logged: Logged, authorization: str | None) -> None:
    status, body = await _ask(logged, authorization)
    assert (status, body["code"]) == (401, "unauthenticated")


async def test_a_permission_opens_the_route(logged: Logged) -> None:
    token = sign(claims(sub="user-1", roles=["auditor"]))
    assert await _ask(logged, f"Bearer {token}") == (200, {"subject": "user-1"})
    assert logged.line("request.finished")["userId"] == "user-1"


async def test_another_permission_does_not(logged: Logged) -> None:
    status, body = await _ask(logged, f"Bearer {sign(claims(roles=['customer', 'unknown']))}")
    assert (status, body["code"]) == (403, "permission_denied")
    assert "audit:read" in body["detail"]
    assert logged.line("request.finished")["userId"] == "user-1"


def test_roles() -> None:
    # whoever could read a message that resets a password could act as anybody
    assert permissions_of(["admin"]) == frozenset(Permission) - {Permission.MESSAGES_SEND}
    assert permissions_of(["nobody"]) == permissions_of([]) == frozenset()
    assert permissions_of(["customer", "auditor"]) == ROLES["customer"] | ROLES["auditor"]
    of_modules = {Permission.REFERENCE_READ, Permission.MESSAGES_SEND}
    assert permissions_of(["service"]) == of_modules
    assert not Principal(subject="x", roles=("support",)).may(Permission.AUDIT_READ)
