"""Where a database differs from the models: for a test, and for an operator in doubt.

Needs PostgreSQL 17 or later (`to_regtypemod`), to which it leaves what the models' types mean.
"""

from collections.abc import Collection
from typing import Any, Final

from libs.db.database import Database

RAW_TABLES: Final = frozenset({"aerich", "outbox", "inbox", "consumer_pauses", "idempotency_keys"})
"""Tables that have no model, because raw SQL behind a class is all that touches them."""

_COLUMNS = """/* drift.columns */
SELECT c.relname AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""

_TYPES = """/* drift.types */
SELECT t AS type, format_type(to_regtype(t), to_regtypemod(t)) AS known
  FROM unnest($1::text[]) AS t
"""

_UNINDEXED = """/* drift.foreign_keys */
SELECT k.conrelid::regclass::text AS "table", k.conname AS name
  FROM pg_constraint k
 WHERE k.connamespace = $1::regnamespace AND k.contype = 'f'
   AND NOT EXISTS (
       SELECT FROM pg_index i
        WHERE i.indrelid = k.conrelid AND i.indpred IS NULL AND i.indisvalid
          AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
   )
"""

_FOREIGN_KEYS = """/* drift.references */
SELECT c.relname AS "table", a.attname AS "column"
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
 WHERE k.connamespace = $1::regnamespace AND k.contype = 'f'
"""

_Columns = dict[str, tuple[str, bool]]  # by name: type, nullable


async def drift(db: Database, *, without_model: Collection[str] = RAW_TABLES) -> list[str]:
    """The differences, one sentence each, in alphabetical order; none is what one wants to see.

    Compared are tables, columns, their types and whether they may be null, that a reference of
    the models is a foreign key, and that each foreign key has an index.

    Args:
        without_model: tables that may exist without a model.
    """
    schema = f'"{db.name}"'
    models = [model.describe() for model in db.models.values()]
    wanted = await _wanted(db, models)
    found: dict[str, _Columns] = {}
    for row in await db.rows(_COLUMNS, schema):
        found.setdefault(row["table"], {})[row["column"]] = (row["type"], row["nullable"])
    through = {m2m["through"] for model in models for m2m in model["m2m_fields"]}
    differences = _compare_tables(wanted, found, {*without_model, *through})
    existing = [model for model in models if model["table"] in found]
    differences += await _compare_foreign_keys(db, schema, existing)
    return sorted(differences)


def _compare_tables(
    wanted: dict[str, _Columns], found: dict[str, _Columns], allowed: set[str]
) -> list[str]:
    differences = [f"{table}: is not in the database" for table in wanted.keys() - found.keys()]
    differences += [
        f"{table}: has no model" for table in found.keys() - wanted.keys() if table not in allowed
    ]
    for table in wanted.keys() & found.keys():
        differences += [f"{table}.{d}" for d in _compare_columns(wanted[table], found[table])]
    return differences


def _compare_columns(wanted: _Columns, found: _Columns) -> list[str]:
    differences = [f"{name}: is not in the database" for name in wanted.keys() - found.keys()]
    differences += [f"{name}: is not in the model" for name in found.keys() - wanted.keys()]
    for name in wanted.keys() & found.keys():
        (type_wanted, null_wanted), (type_found, null_found) = wanted[name], found[name]
        if type_wanted != type_found:
            differences.append(f"{name}: is {type_found}, in the model {type_wanted}")
        if null_wanted != null_found:
            may = "may be null, not in the model" if null_found else "may be null only in the model"
            differences.append(f"{name}: {may}")
    return differences


async def _wanted(db: Database, models: list[dict[str, Any]]) -> dict[str, _Columns]:
    columns = {model["table"]: [model["pk_field"], *model["data_fields"]] for model in models}
    types = {_type(field) for fields in columns.values() for field in fields}
    known = {row["type"]: row["known"] for row in await db.rows(_TYPES, sorted(types))}
    return {
        table: {
            field["db_column"]: (known[_type(field)] or _type(field), bool(field["nullable"]))
            for field in fields
        }
        for table, fields in columns.items()
    }


def _type(field: dict[str, Any]) -> str:
    types = field["db_field_types"]
    return str(types.get("postgres") or types[""])


async def _compare_foreign_keys(
    db: Database, schema: str, models: list[dict[str, Any]]
) -> list[str]:
    existing = {(row["table"], row["column"]) for row in await db.rows(_FOREIGN_KEYS, schema)}
    differences = [
        f"{model['table']}.{_column(model, reference)}: is not a foreign key"
        for model in models
        for reference in [*model["fk_fields"], *model["o2o_fields"]]
        if reference["db_constraint"]
        and (model["table"], _column(model, reference)) not in existing
    ]
    unindexed = await db.rows(_UNINDEXED, schema)
    return differences + [f"{r['table']}: foreign key {r['name']} has no index" for r in unindexed]


def _column(model: dict[str, Any], reference: dict[str, Any]) -> str:
    fields = [model["pk_field"], *model["data_fields"]]
    return next(str(f["db_column"]) for f in fields if f["name"] == reference["raw_field"])
