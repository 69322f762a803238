"""Customers, orders, idempotency keys, outbox, inbox."""

from tortoise import BaseDBAsyncClient

from libs.db.idempotency import IDEMPOTENCY_V1
from libs.events.ddl import INBOX_V1, OUTBOX_V1

RUN_IN_TRANSACTION = True

CUSTOMERS = """
CREATE TABLE customers (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) <= 200),
    country    varchar(2) CHECK (country ~ '^[A-Z]{2}$'),
    revision   integer NOT NULL CHECK (revision >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    created_by varchar(64),
    updated_by varchar(64),
    deleted_at timestamptz,
    version    integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT customers_country_known CHECK (country IS NOT NULL OR deleted_at IS NOT NULL)
);
COMMENT ON TABLE customers IS 'Replica of the users of the module auth, kept by its events';
"""

ORDERS = """
CREATE TABLE orders (
    id                 uuid PRIMARY KEY,
    customer_id        uuid NOT NULL REFERENCES customers (id),
    status             varchar(16) NOT NULL,
    currency           varchar(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total              numeric(18, 2) NOT NULL CHECK (total >= 0),
    note               text CHECK (length(note) <= 1000),
    placed_at          timestamptz NOT NULL,
    reporting_total    numeric(18, 2) CHECK (reporting_total >= 0),
    reporting_currency varchar(3) CHECK (reporting_currency ~ '^[A-Z]{3}$'),
    rate               numeric(24, 12) CHECK (rate > 0),
    rate_as_of         date,
    stale              boolean,
    due_on             date,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    created_by         varchar(64),
    updated_by         varchar(64),
    deleted_at         timestamptz,
    version            integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT orders_status_known
        CHECK (status IN ('PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED')),
    CONSTRAINT orders_assessment_whole
        CHECK (num_nulls(reporting_total, reporting_currency, rate, rate_as_of, stale, due_on)
               IN (0, 6)),
    CONSTRAINT orders_confirmed_is_assessed
        CHECK (status <> 'CONFIRMED' OR reporting_total IS NOT NULL)
);
-- Also the foreign key's index, and so not a partial one.
CREATE INDEX orders_of_customer ON orders (customer_id, placed_at DESC, id DESC);
CREATE INDEX orders_by_time ON orders (placed_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX orders_by_status ON orders (status, placed_at DESC, id DESC)
    WHERE deleted_at IS NULL;

CREATE TABLE order_lines (
    id         uuid PRIMARY KEY,
    order_id   uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position   smallint NOT NULL CHECK (position BETWEEN 1 AND 50),
    service_id uuid NOT NULL,
    name       text NOT NULL,
    quantity   integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    unit_price numeric(18, 2) NOT NULL CHECK (unit_price >= 0),
    amount     numeric(18, 2) NOT NULL,
    CONSTRAINT order_lines_position UNIQUE (order_id, position),
    CONSTRAINT order_lines_amount CHECK (amount = unit_price * quantity)
);
COMMENT ON COLUMN order_lines.service_id IS 'In MongoDB, collection services';
COMMENT ON COLUMN order_lines.unit_price IS 'As it was in the catalogue when the order was placed';
"""

STATUS_CHANGES = """
CREATE FUNCTION refuse_status_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an order that is % cannot become %', OLD.status, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_status_change';
END
$$;
CREATE TRIGGER orders_status_change BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (OLD.status <> NEW.status
          AND (OLD.status, NEW.status) NOT IN (
              ('PENDING', 'CONFIRMED'), ('PENDING', 'REJECTED'),
              ('PENDING', 'CANCELLED'), ('CONFIRMED', 'CANCELLED')))
    EXECUTE FUNCTION refuse_status_change();
"""


async def upgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001 (aerich's form)
    return CUSTOMERS + ORDERS + STATUS_CHANGES + IDEMPOTENCY_V1 + OUTBOX_V1 + INBOX_V1


async def downgrade(db: BaseDBAsyncClient) -> str:  # noqa: ARG001
    return """
        DROP TABLE inbox;
        DROP TABLE outbox;
        DROP TABLE idempotency_keys;
        DROP TABLE order_lines;
        DROP TABLE orders;
        DROP TABLE customers;
        DROP FUNCTION refuse_status_change();
    """
