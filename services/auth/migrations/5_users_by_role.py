"""Users by role: those who have another one than customers are few."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(_: BaseDBAsyncClient) -> str:
    return "CREATE INDEX CONCURRENTLY users_roles ON users USING gin (roles);"


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP INDEX users_roles;"
