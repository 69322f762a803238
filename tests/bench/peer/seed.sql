-- The rows of the peers' db/seed.sql in our tables: 2,000 users x 100 orders x 2 lines, inserted in
-- time order with the users interleaved. A confirmed order has an assessment with us.

CREATE FUNCTION pg_temp.uid(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT overlay(overlay(md5(name) placing '4' from 13) placing '8' from 17)::uuid $$;

SET search_path = api;
-- Orders become CONFIRMED by a change that a trigger watches over; these are so from the start.
SET session_replication_role = replica;

INSERT INTO customers (id, name, country, revision)
SELECT pg_temp.uid('user' || n), 'Customer ' || n, 'DE', 1
  FROM generate_series(0, 1999) AS n;

INSERT INTO orders (id, customer_id, status, currency, total, placed_at, created_at, updated_at,
                    reporting_total, reporting_currency, rate, rate_as_of, stale, due_on)
SELECT pg_temp.uid('order' || n), pg_temp.uid('user' || n % 2000), 'CONFIRMED', 'EUR', 150.00,
       placed_at, placed_at, placed_at,
       162.45, 'USD', 1.083, placed_at::date, false, placed_at::date + 1
  FROM (SELECT n, timestamptz '2026-05-01 00:00:00Z' + n * interval '80 seconds' AS placed_at
          FROM generate_series(0, 199999) AS n) AS o;

INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
SELECT pg_temp.uid('line' || n || '-' || p), pg_temp.uid('order' || n), p + 1,
       pg_temp.uid('service' || (n * 7 + p) % 100), 'Home cleaning, tier ' || (n * 7 + p) % 100,
       1 + (n + p) % 3, 50.00, 50.00 * (1 + (n + p) % 3)
  FROM generate_series(0, 199999) AS n, generate_series(0, 1) AS p;
