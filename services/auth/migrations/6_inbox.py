"""The inbox: `auth` is told of the sessions that it has ended, too. The session of events."""

from tortoise import BaseDBAsyncClient

from libs.events.ddl import INBOX_V1, INBOX_V2, OUTBOX_V2

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return INBOX_V1 + INBOX_V2 + OUTBOX_V2


async def downgrade(_: BaseDBAsyncClient) -> str:
    return """
ALTER TABLE outbox DROP COLUMN session_id;
DROP TABLE consumer_pauses;
DROP TABLE inbox;
"""
