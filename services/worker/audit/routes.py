"""GET /v1/audit."""

from typing import Annotated

from fastapi import APIRouter, Query

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from libs.web.routing import api_router
from services.worker.audit.schemas import AuditEntry, Filters
from services.worker.audit.service import Audit

PATH = "/v1/audit"


def router(service: Audit) -> APIRouter:
    """The routes of the domain."""
    routes = api_router(tag="audit")

    @routes.get(
        PATH,
        summary="The audit log, newest event first",
        dependencies=[require(Permission.AUDIT_READ)],
    )
    async def list_audit(
        context_id: Annotated[
            str | None,
            Query(alias="contextId", pattern=r"^[A-Za-z0-9._-]{8,64}$", description="of a request"),
        ] = None,
        subject: Annotated[
            str | None, Query(min_length=1, max_length=200, description="the id of an aggregate")
        ] = None,
        type_: Annotated[
            str | None,
            Query(alias="type", pattern=r"^[A-Za-z]{1,100}$", description="of an event"),
        ] = None,
        limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[AuditEntry]:
        filters = Filters(context_id=context_id, subject=subject, type=type_)
        return await service.page(filters, limit=limit, cursor=cursor)

    return routes
