"""The tables of outbox and inbox, as SQL for a module's first migration.

Names are unqualified: the migration's search_path decides in which schema they are made. A later
change is a new constant (OUTBOX_V2: the ALTER) that a later migration includes; these never change.
"""

OUTBOX_V1 = """
CREATE TABLE outbox (
    id           uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic        text NOT NULL,
    type         text NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    subject      text NOT NULL,
    context_id   text NOT NULL,
    causation_id text,
    actor        text,
    payload      text NOT NULL,
    occurred_at  timestamptz NOT NULL,
    published_at timestamptz
) WITH (
    -- A queue: every row dies once, soon. Vacuum by number of dead rows, whatever the table's size,
    -- and without pauses, so that the index on what is unpublished stays small.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at, seq) WHERE published_at IS NOT NULL;
COMMENT ON TABLE outbox IS 'Events of this module, committed with what they tell of';
COMMENT ON COLUMN outbox.id IS 'The id of the event; stays the same when it is published again';
COMMENT ON COLUMN outbox.seq IS 'The order of publishing';
COMMENT ON COLUMN outbox.xid IS 'The transaction that added the row';
COMMENT ON COLUMN outbox.payload IS 'JSON; text, because jsonb would not keep the bytes';
"""

OUTBOX_V2 = """
ALTER TABLE outbox ADD COLUMN session_id text;
COMMENT ON COLUMN outbox.session_id IS 'Of the user who acted';
"""
"""Processes of before go on adding rows without it."""

INBOX_V1 = """
CREATE TABLE inbox (
    consumer   text NOT NULL,
    event_id   uuid NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
COMMENT ON TABLE inbox IS 'Which handler has handled which event; committed with the effects';
"""

INBOX_V2 = """
CREATE TABLE consumer_pauses (
    consumer_group text PRIMARY KEY,
    reason         text NOT NULL,
    paused_by      text,
    paused_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE consumer_pauses IS 'Consumer groups of this module that are to handle nothing';
"""
