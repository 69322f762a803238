"""Users and the outbox."""

from tortoise import BaseDBAsyncClient

from libs.events.ddl import OUTBOX_V1

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return f"""
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         varchar(254) NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%'),
    password_hash varchar(255) NOT NULL,
    display_name  varchar(100) NOT NULL CHECK (display_name <> ''),
    country       varchar(2) NOT NULL CHECK (country ~ '^[A-Z]{{2}}$'),
    roles         text[] NOT NULL CHECK (cardinality(roles) > 0),
    is_active     boolean NOT NULL DEFAULT true,
    is_verified   boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    created_by    varchar(64),
    updated_by    varchar(64),
    deleted_at    timestamptz,
    version       integer NOT NULL CHECK (version > 0)
);
CREATE UNIQUE INDEX users_email_live ON users (email) WHERE deleted_at IS NULL;
COMMENT ON INDEX users_email_live IS 'The address of a deleted user may be used again';
{OUTBOX_V1}"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return """
DROP TABLE users;
DROP TABLE outbox;
"""
