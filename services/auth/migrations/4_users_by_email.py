"""The list of users by e-mail address, deleted ones among them."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(_: BaseDBAsyncClient) -> str:
    return "CREATE INDEX CONCURRENTLY users_email ON users (email, id);"


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP INDEX users_email;"
