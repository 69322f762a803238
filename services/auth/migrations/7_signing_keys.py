"""The keys that access tokens are signed with."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return """
CREATE TABLE signing_keys (
    kid         varchar(43) PRIMARY KEY CHECK (kid <> ''),
    public_key  jsonb NOT NULL CHECK (NOT public_key ? 'd'),
    private_key bytea,
    created_at  timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at  timestamptz
);
COMMENT ON TABLE signing_keys IS 'Keys of access tokens; which one signs follows from the times';
COMMENT ON COLUMN signing_keys.kid IS 'The thumbprint of the public key (RFC 7638)';
COMMENT ON COLUMN signing_keys.private_key IS
    'Encrypted with AES-256-GCM; null once the key signs no more';
COMMENT ON COLUMN signing_keys.retired_at IS 'When it was withdrawn, if it was';
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP TABLE signing_keys;"
