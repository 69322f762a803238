-- auth of 0.1.0; made by `python -m tests.releases`, not to be edited
-- table outbox needs: context_id, id, occurred_at, payload, subject, topic, type, version
-- table users needs: country, created_at, display_name, email, id, password_hash, roles, updated_at, version

-- takes: uuid, timestamptz, timestamptz, varchar, varchar, timestamptz, int4, varchar, varchar, varchar, varchar, text[], bool, bool
-- gives:
INSERT INTO "users" ("id","created_at","updated_at","created_by","updated_by","deleted_at","version","email","password_hash","display_name","country","roles","is_active","is_verified") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14);

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

-- takes: int8
-- gives: id uuid, topic text, type text, version int4, subject text, context_id text, causation_id text, actor text, payload text, occurred_at timestamptz
/* outbox.unpublished */
SELECT id, topic, type, version, subject, context_id, causation_id, actor, payload, occurred_at
FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1;

-- takes: text, int8
-- gives: updated_by varchar, id uuid, deleted_at timestamptz, updated_at timestamptz, country varchar, is_verified bool, display_name varchar, roles text[], created_by varchar, created_at timestamptz, is_active bool, version int4, password_hash varchar, email varchar
SELECT "updated_by","id","deleted_at","updated_at","country","is_verified","display_name","roles","created_by","created_at","is_active","version","password_hash","email" FROM "users" WHERE "deleted_at" IS NULL AND "email"=$1 LIMIT $2;

-- takes: uuid, int8
-- gives: updated_by varchar, id uuid, deleted_at timestamptz, updated_at timestamptz, country varchar, is_verified bool, display_name varchar, roles text[], created_by varchar, created_at timestamptz, is_active bool, version int4, password_hash varchar, email varchar
SELECT "updated_by","id","deleted_at","updated_at","country","is_verified","display_name","roles","created_by","created_at","is_active","version","password_hash","email" FROM "users" WHERE "deleted_at" IS NULL AND "id"=$1 LIMIT $2;
