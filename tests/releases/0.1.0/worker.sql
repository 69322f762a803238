-- worker of 0.1.0; made by `python -m tests.releases`, not to be edited
-- table audit_records needs: context_id, data, event_id, id, occurred_at, source, subject, type
-- table inbox needs: consumer, event_id
-- table notifications needs: body, context_id, id, kind, subject, user_id
-- table outbox needs: context_id, id, occurred_at, payload, subject, topic, type, version

-- takes: text, uuid
-- gives: event_id uuid
/* inbox.claim */
INSERT INTO inbox (consumer, event_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING event_id;

-- takes: text, uuid
-- gives: ?column? int4
/* inbox.handled */ SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2;

-- takes: uuid, timestamptz, timestamptz, uuid, text, text, text, text, text, text, jsonb
-- gives:
INSERT INTO "audit_records" ("id","occurred_at","recorded_at","event_id","type","source","subject","context_id","causation_id","actor","data") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT DO NOTHING;

-- takes: uuid, timestamptz, timestamptz, varchar, varchar, timestamptz, int4, uuid, varchar, text, text, varchar, varchar
-- gives:
INSERT INTO "notifications" ("id","created_at","updated_at","created_by","updated_by","deleted_at","version","user_id","kind","subject","body","context_id","status") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13);

-- takes: uuid, text, text, int4, text, text, text, text, text, timestamptz
-- gives: pg_notify void
/* outbox.add */
WITH added AS (
    INSERT INTO outbox (id, topic, type, version, subject,
                        context_id, causation_id, actor, payload, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
)
SELECT pg_notify(current_schema() || '_outbox', '') FROM added;

-- takes:
-- gives: pg_try_advisory_lock bool
/* outbox.lock */
SELECT pg_try_advisory_lock(hashtextextended('throughline.relay.' || current_schema(), 0));

-- takes: uuid[]
-- gives:
/* outbox.mark */
UPDATE outbox SET published_at = clock_timestamp()
WHERE id = ANY($1::uuid[]) AND published_at IS NULL;

-- takes: int8
-- gives: id uuid, topic text, type text, version int4, subject text, context_id text, causation_id text, actor text, payload text, occurred_at timestamptz
/* outbox.unpublished */
SELECT id, topic, type, version, subject, context_id, causation_id, actor, payload, occurred_at
FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1;

-- takes: int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" ORDER BY "occurred_at" DESC,"id" DESC LIMIT $1;

-- takes: text, text, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "context_id"=$1 AND "subject"=$2 ORDER BY "occurred_at" DESC,"id" DESC LIMIT $3;

-- takes: text, text, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "context_id"=$1 AND "type"=$2 ORDER BY "occurred_at" DESC,"id" DESC LIMIT $3;

-- takes: text, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "context_id"=$1 ORDER BY "occurred_at" DESC,"id" DESC LIMIT $2;

-- takes: timestamptz, timestamptz, uuid, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "occurred_at"<=$1 AND ("occurred_at"<$2 OR "id"<$3) ORDER BY "occurred_at" DESC,"id" DESC LIMIT $4;

-- takes: text, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "subject"=$1 ORDER BY "occurred_at" DESC,"id" DESC LIMIT $2;

-- takes: text, int8
-- gives: id uuid, subject text, context_id text, source text, causation_id text, recorded_at timestamptz, occurred_at timestamptz, actor text, type text, event_id uuid, data jsonb
SELECT "id","subject","context_id","source","causation_id","recorded_at","occurred_at","actor","type","event_id","data" FROM "audit_records" WHERE "type"=$1 ORDER BY "occurred_at" DESC,"id" DESC LIMIT $2;
