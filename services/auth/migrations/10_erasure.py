"""Users whose personal data were erased."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return """
ALTER TABLE users ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN users.erased_at IS 'When what is personal was taken out, after the deletion';
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "ALTER TABLE users DROP COLUMN erased_at;"
