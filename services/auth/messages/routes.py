"""Messages over HTTP: for the module that sends them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from libs.auth.guards import require
from libs.auth.permissions import Permission
from libs.contracts.auth import Message
from libs.web.openapi import problems
from libs.web.routing import JSON, api_router
from services.auth.messages.errors import MessageNotFound
from services.auth.messages.service import Messages

MessageId = Annotated[UUID, Path(alias="id")]


def routes(messages: Messages) -> APIRouter:
    """The routes of this domain."""
    router = api_router(tag="messages")

    @router.post(
        "/v1/auth/messages/{id}/compose",
        summary="Compose a message to a user",
        response_model=Message,
        responses=problems(MessageNotFound),
        dependencies=[require(Permission.MESSAGES_SEND)],
    )
    async def compose(message_id: MessageId) -> Response:
        """The message with its address, and with a token that is made for it now.

        For the service account of the module that sends messages, and for no user. The token of the
        same message that was composed before is void.
        """
        message = await messages.compose(message_id)
        return Response(message.to_json(), headers={"Cache-Control": "no-store"}, media_type=JSON)

    return router
