"""The session of the user who acted, beside the user: in the outbox."""

from tortoise import BaseDBAsyncClient

from libs.events.ddl import OUTBOX_V2

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return OUTBOX_V2


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "ALTER TABLE outbox DROP COLUMN session_id;"
