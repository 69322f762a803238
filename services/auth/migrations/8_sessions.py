"""Sessions, and the refresh tokens that prolong them."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(_: BaseDBAsyncClient) -> str:
    return """
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users (id),
    device_name  varchar(100) NOT NULL CHECK (device_name <> ''),
    ip_prefix    varchar(43),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    access_until timestamptz NOT NULL,
    idle_until   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    end_reason   varchar(32),
    CHECK (idle_until <= expires_at),
    CHECK (num_nulls(ended_at, end_reason) IN (0, 2))
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_over ON sessions (least(ended_at, idle_until));
COMMENT ON TABLE sessions IS 'Where users are logged in, and were';
COMMENT ON COLUMN sessions.ip_prefix IS 'Where it was used from last: /24 or /64, no address';
COMMENT ON COLUMN sessions.access_until IS 'When its last access token expires';
COMMENT ON COLUMN sessions.idle_until IS 'When it is over unless it is prolonged before';
COMMENT ON COLUMN sessions.expires_at IS 'When it is over in any case';

CREATE TABLE refresh_tokens (
    hash             bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id       uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at        timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    used_at          timestamptz,
    successor        bytea,
    retry_key        bytea,
    sealed_successor bytea,
    CHECK (num_nulls(used_at, successor) IN (0, 2))
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expired ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (session_id)
    WHERE sealed_successor IS NOT NULL;
COMMENT ON TABLE refresh_tokens IS 'A chain for each session; used ones show who uses them again';
COMMENT ON COLUMN refresh_tokens.hash IS 'SHA-256 of the token, which is 256 random bits';
COMMENT ON COLUMN refresh_tokens.successor IS 'The hash of the token it was exchanged for';
COMMENT ON COLUMN refresh_tokens.retry_key IS 'SHA-256 of the Idempotency-Key it was used with';
COMMENT ON COLUMN refresh_tokens.sealed_successor IS
    'The successor, encrypted with a key that follows from the token; until one of them is used';
"""


async def downgrade(_: BaseDBAsyncClient) -> str:
    return """
DROP TABLE refresh_tokens;
DROP TABLE sessions;
"""
