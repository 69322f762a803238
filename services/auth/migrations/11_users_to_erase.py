"""Users whose personal data are to be erased: those who are deleted are few."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(_: BaseDBAsyncClient) -> str:
    return """
CREATE INDEX CONCURRENTLY users_to_erase ON users (deleted_at)
    WHERE deleted_at IS NOT NULL AND erased_at IS NULL;
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP INDEX users_to_erase;"
