"""What users are sent, as the module `worker` gets it."""

import json
from uuid import UUID

from libs.auth.service_tokens import ServiceTokens
from libs.contracts.auth import AuthClient, Message, MessageClient, MessageKind
from tests.integration.auth.conftest import WORKER_SECRET, Process
from tests.unit.auth.account_factories import token_in


class Mailbox:
    """The messages that a process was asked for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        auth = AuthClient(process.runtime.peer("auth"))

        async def grant() -> tuple[str, int]:
            token = await auth.service_token(client_id="worker", secret=WORKER_SECRET)
            return token.access_token, token.expires_in

        self.tokens = ServiceTokens(grant)
        self.client = MessageClient(process.runtime.peer("auth"), self.tokens)

    async def requested(self, kind: MessageKind) -> list[tuple[UUID, UUID | None]]:
        """Message and user of each event of a kind, in order."""
        rows = await self._process.rows(
            "SELECT payload FROM outbox WHERE type = 'MessageRequested' ORDER BY seq"
        )
        events = [json.loads(row["payload"]) for row in rows]
        return [
            (UUID(event["messageId"]), UUID(event["userId"]) if event["userId"] else None)
            for event in events
            if event["kind"] == kind
        ]

    async def last(self, kind: MessageKind) -> Message:
        """The last message of a kind."""
        wanted = [message for message, user in await self.requested(kind) if user is not None]
        message = await self.client.compose(wanted[-1])
        assert message is not None
        return message

    async def token(self, kind: MessageKind) -> str:
        """The token in it."""
        return token_in(await self.last(kind))
