-- api of 0.1.0; made by `python -m tests.releases`, not to be edited
-- table customers needs: id, name, revision
-- table idempotency_keys needs: actor, body, fingerprint, headers, key, route, status
-- table inbox needs: consumer, event_id
-- table order_lines needs: amount, id, name, order_id, position, quantity, service_id, unit_price
-- table orders needs: currency, customer_id, id, placed_at, status, total
-- table outbox needs: context_id, id, occurred_at, payload, subject, topic, type, version

-- takes: uuid, int4, timestamptz, varchar
-- gives:
/* customers.delete */
INSERT INTO customers AS c (id, name, revision, created_at, updated_at, created_by, updated_by,
                            deleted_at)
VALUES ($1, '', $2, $3, $3, $4, $4, $3)
ON CONFLICT (id) DO UPDATE
   SET name = '', revision = excluded.revision,
       updated_at = excluded.updated_at, updated_by = excluded.updated_by,
       deleted_at = excluded.deleted_at, version = c.version + 1
 WHERE c.revision < excluded.revision;

-- takes: uuid, text, varchar, int4, timestamptz, varchar
-- gives:
/* customers.upsert */
INSERT INTO customers AS c (id, name, country, revision, created_at, updated_at,
                            created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $5, $6, $6)
ON CONFLICT (id) DO UPDATE
   SET name = excluded.name, country = excluded.country, revision = excluded.revision,
       updated_at = excluded.updated_at, updated_by = excluded.updated_by,
       deleted_at = NULL, version = c.version + 1
 WHERE c.revision < excluded.revision;

-- takes: text, text, text, int8
-- gives: held bool, fingerprint bytea, status int2, headers jsonb, body bytea
/* idempotency.claim */
SELECT pg_try_advisory_xact_lock($4) AS held, k.fingerprint, k.status, k.headers, k.body
  FROM (VALUES (1)) AS one
  LEFT JOIN idempotency_keys k ON k.actor = $1 AND k.route = $2 AND k.key = $3;

-- takes: text, text, text, bytea, int2, jsonb, bytea
-- gives:
/* idempotency.complete */
INSERT INTO idempotency_keys (actor, route, key, fingerprint, status, headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- takes: text, text, text
-- gives: fingerprint bytea, status int2, headers jsonb, body bytea
/* idempotency.find */
SELECT fingerprint, status, headers, body FROM idempotency_keys
 WHERE actor = $1 AND route = $2 AND key = $3;

-- takes: text, uuid
-- gives: event_id uuid
/* inbox.claim */
INSERT INTO inbox (consumer, event_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING event_id;

-- takes: text, uuid
-- gives: ?column? int4
/* inbox.handled */ SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2;

-- takes: uuid, numeric, varchar, numeric, date, bool, date, timestamptz, varchar
-- gives: customer_id uuid, currency varchar, total numeric
/* orders.confirm */
UPDATE orders
   SET status = 'CONFIRMED', reporting_total = $2, reporting_currency = $3, rate = $4,
       rate_as_of = $5, stale = $6, due_on = $7,
       updated_at = $8, updated_by = $9, version = version + 1
 WHERE id = $1 AND status = 'PENDING' AND deleted_at IS NULL
RETURNING customer_id, currency, total;

-- takes: uuid
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.get */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND o.id = $1;

-- takes: uuid, text, varchar, int4, uuid, varchar, varchar, numeric, text, timestamptz, timestamptz, varchar, uuid[], int2[], uuid[], text[], int4[], numeric[], numeric[]
-- gives: id uuid
/* orders.insert */
WITH customer AS (
    INSERT INTO customers (id, name, country, revision, created_at, updated_at,
                           created_by, updated_by)
    VALUES ($1, $2, $3, $4, $11, $11, $12, $12)
    ON CONFLICT (id) DO NOTHING
), placed AS (
    INSERT INTO orders (id, customer_id, status, currency, total, note, placed_at,
                        created_at, updated_at, created_by, updated_by)
    SELECT $5, $1, $6, $7, $8, $9, $10, $11, $11, $12, $12
     WHERE NOT EXISTS (SELECT FROM customers WHERE id = $1 AND deleted_at IS NOT NULL)
    RETURNING id
), lines AS (
    INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
    SELECT l.id, placed.id, l.position, l.service_id, l.name, l.quantity, l.unit_price, l.amount
      FROM placed, unnest($13::uuid[], $14::smallint[], $15::uuid[], $16::text[], $17::integer[],
                          $18::numeric[], $19::numeric[])
           AS l (id, position, service_id, name, quantity, unit_price, amount)
)
SELECT id FROM placed;

-- takes: timestamptz, uuid, int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND (o.placed_at, o.id) < ($1, $2) ORDER BY o.placed_at DESC, o.id DESC LIMIT $3;

-- takes: uuid, timestamptz, uuid, int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND o.customer_id = $1 AND (o.placed_at, o.id) < ($2, $3) ORDER BY o.placed_at DESC, o.id DESC LIMIT $4;

-- takes: uuid, timestamptz, int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND o.customer_id = $1 AND o.placed_at > $2 ORDER BY o.placed_at DESC, o.id DESC LIMIT $3;

-- takes: uuid, text, int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND o.customer_id = $1 AND o.status = $2 ORDER BY o.placed_at DESC, o.id DESC LIMIT $3;

-- takes: uuid, int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL AND o.customer_id = $1 ORDER BY o.placed_at DESC, o.id DESC LIMIT $2;

-- takes: int8
-- gives: id uuid, customer_id uuid, status varchar, currency varchar, total numeric, note text, placed_at timestamptz, updated_at timestamptz, version int4, reporting_total numeric, reporting_currency varchar, rate numeric, rate_as_of date, stale bool, due_on date, lines json
/* orders.list */
SELECT o.id, o.customer_id, o.status, o.currency, o.total, o.note, o.placed_at, o.updated_at,
       o.version, o.reporting_total, o.reporting_currency, o.rate, o.rate_as_of, o.stale, o.due_on,
       (SELECT json_agg(json_build_array(l.service_id, l.name, l.quantity, l.unit_price::text,
                                         l.amount::text) ORDER BY l.position)
          FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o
 WHERE o.deleted_at IS NULL ORDER BY o.placed_at DESC, o.id DESC LIMIT $1;

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
