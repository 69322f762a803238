"""The list of users by time."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(_: BaseDBAsyncClient) -> str:
    return "CREATE INDEX CONCURRENTLY users_created_at ON users (created_at, id);"


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP INDEX users_created_at;"
