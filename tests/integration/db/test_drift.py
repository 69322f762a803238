import pytest

from libs.db.database import Database
from libs.db.drift import drift


async def test_the_migrated_database_is_that_of_the_models(db: Database) -> None:
    assert await drift(db) == []


@pytest.mark.parametrize(
    ("statement", "differences"),
    [
        ("ALTER TABLE orders DROP COLUMN note", ["orders.note: is not in the database"]),
        ("ALTER TABLE orders ADD COLUMN paid bool", ["orders.paid: is not in the model"]),
        (
            "ALTER TABLE orders ALTER COLUMN note TYPE varchar(100)",
            ["orders.note: is character varying(100), in the model character varying(200)"],
        ),
        (
            "ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 2)",
            ["orders.total: is numeric(10,2), in the model numeric(12,2)"],
        ),
        (
            "ALTER TABLE orders ALTER COLUMN created_at TYPE timestamp",
            [
                "orders.created_at: is timestamp without time zone,"
                " in the model timestamp with time zone"
            ],
        ),
        (
            "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
            ["orders.note: may be null only in the model"],
        ),
        (
            "ALTER TABLE orders ALTER COLUMN tags DROP NOT NULL",
            ["orders.tags: may be null, not in the model"],
        ),
        ("DROP TABLE orders", ["orders: is not in the database"]),
        ("CREATE TABLE other (id int)", ["other: has no model"]),
        ("CREATE TABLE idempotency_keys (key text)", []),
        (
            "DROP INDEX orders_customer_id",
            ["orders: foreign key orders_customer_id_fkey has no index"],
        ),
        (
            "DROP INDEX orders_customer_id;"
            "CREATE INDEX partly ON orders (customer_id) WHERE deleted_at IS NULL;"
            "CREATE INDEX behind ON orders (note, customer_id)",
            ["orders: foreign key orders_customer_id_fkey has no index"],
        ),
        (
            "DROP INDEX orders_customer_id;CREATE INDEX first ON orders (customer_id, created_at)",
            [],
        ),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey",
            ["orders.customer_id: is not a foreign key"],
        ),
    ],
)
async def test_a_difference_is_found(db: Database, statement: str, differences: list[str]) -> None:
    await db.client.execute_script(statement)
    assert await drift(db) == differences


async def test_tables_without_a_model_are_a_parameter(db: Database) -> None:
    assert await drift(db, without_model={"aerich"}) == ["outbox: has no model"]
