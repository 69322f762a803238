"""Notifications of cancelled orders."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

KINDS = """
ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('order_confirmed', 'order_cancelled')) NOT VALID;
"""
"""Every row there is satisfies the check that is dropped: to look at them again is for nothing."""


async def upgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001 (aerich's form)
    return KINDS


async def downgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001
    return """
        ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
        ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check
            CHECK (kind IN ('order_confirmed')) NOT VALID;
    """
