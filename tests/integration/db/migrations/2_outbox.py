from tortoise import BaseDBAsyncClient


async def upgrade(db: BaseDBAsyncClient) -> str:
    return "CREATE TABLE outbox (id uuid PRIMARY KEY);"


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP TABLE outbox;"
