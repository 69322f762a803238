from tortoise import BaseDBAsyncClient


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by varchar(64),
    updated_by varchar(64),
    deleted_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    email varchar(320) NOT NULL
);
CREATE UNIQUE INDEX customers_email_key ON customers (lower(email)) WHERE deleted_at IS NULL;
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by varchar(64),
    updated_by varchar(64),
    deleted_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    customer_id uuid NOT NULL REFERENCES customers (id) ON DELETE RESTRICT,
    note varchar(200),
    total numeric(12, 2) NOT NULL CHECK (total >= 0),
    tags jsonb NOT NULL
);
CREATE INDEX orders_customer_id ON orders (customer_id);
"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP TABLE orders; DROP TABLE customers;"
