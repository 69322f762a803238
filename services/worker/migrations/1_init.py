"""Notifications, the audit log, outbox, inbox."""

from tortoise import BaseDBAsyncClient

from libs.events.ddl import INBOX_V1, OUTBOX_V1

RUN_IN_TRANSACTION = True

NOTIFICATIONS = """
CREATE TABLE notifications (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    kind       varchar(32) NOT NULL CHECK (kind IN ('order_confirmed')),
    subject    text NOT NULL CHECK (length(subject) <= 200),
    body       text NOT NULL CHECK (length(body) <= 10000),
    context_id varchar(64) NOT NULL,
    status     varchar(16) NOT NULL DEFAULT 'stored' CHECK (status IN ('stored')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by varchar(64),
    updated_by varchar(64),
    deleted_at timestamptz,
    version    integer NOT NULL DEFAULT 1 CHECK (version >= 1)
);
CREATE INDEX notifications_of_user ON notifications (user_id, id DESC) WHERE deleted_at IS NULL;
COMMENT ON TABLE notifications IS 'Messages to users of the module auth';
"""

AUDIT = """
CREATE TABLE audit_records (
    id           uuid PRIMARY KEY,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    event_id     uuid NOT NULL CONSTRAINT audit_records_event UNIQUE,
    type         text NOT NULL,
    source       text NOT NULL,
    subject      text NOT NULL,
    context_id   text NOT NULL,
    causation_id text,
    actor        text,
    data         jsonb NOT NULL
);
CREATE INDEX audit_records_by_time ON audit_records (occurred_at DESC, id DESC);
CREATE INDEX audit_records_of_context ON audit_records (context_id, occurred_at DESC, id DESC);
CREATE INDEX audit_records_of_subject ON audit_records (subject, occurred_at DESC, id DESC);
CREATE INDEX audit_records_of_type ON audit_records (type, occurred_at DESC, id DESC);
COMMENT ON TABLE audit_records IS 'Every event of every module, once; append-only';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_records_append_only';
END
$$;
CREATE TRIGGER audit_records_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
"""


async def upgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001 (aerich's form)
    return NOTIFICATIONS + AUDIT + OUTBOX_V1 + INBOX_V1


async def downgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001
    return """
        DROP TABLE inbox;
        DROP TABLE outbox;
        DROP TABLE audit_records;
        DROP FUNCTION refuse_audit_change();
        DROP TABLE notifications;
    """
