"""Idempotency keys."""

from tortoise import BaseDBAsyncClient

from libs.db.idempotency import IDEMPOTENCY_V1

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return IDEMPOTENCY_V1


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP TABLE idempotency_keys;"
