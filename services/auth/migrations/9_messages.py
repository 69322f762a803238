"""Messages to users."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return """
CREATE TABLE messages (
    id               uuid PRIMARY KEY,
    user_id          uuid REFERENCES users (id),
    kind             varchar(32) NOT NULL CHECK (kind <> ''),
    created_at       timestamptz NOT NULL,
    token_hash       bytea CONSTRAINT messages_token UNIQUE CHECK (length(token_hash) = 32),
    token_expires_at timestamptz,
    used_at          timestamptz,
    CHECK (num_nulls(token_hash, token_expires_at) IN (0, 2))
);
CREATE INDEX messages_of_user ON messages (user_id, kind, created_at);
CREATE INDEX messages_created_at ON messages (created_at);
COMMENT ON TABLE messages IS 'Messages to users: neither address nor text, which are made later';
COMMENT ON COLUMN messages.user_id IS 'Null: nobody gets it, and whoever asked does not find out';
COMMENT ON COLUMN messages.token_hash IS 'SHA-256 of the token in it, which is 256 random bits';
COMMENT ON COLUMN messages.used_at IS 'When the token was used, or became void';
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return "DROP TABLE messages;"
