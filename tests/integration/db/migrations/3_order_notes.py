from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False


async def upgrade(db: BaseDBAsyncClient) -> str:
    return "CREATE INDEX CONCURRENTLY orders_note ON orders (note);"


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP INDEX orders_note;"
