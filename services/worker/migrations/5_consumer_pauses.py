"""Consumer groups can be paused."""

from tortoise import BaseDBAsyncClient

from libs.events.ddl import INBOX_V2

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return INBOX_V2


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP TABLE consumer_pauses;"
