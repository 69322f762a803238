"""What a release asks of its schema, as a file, and whether another schema still grants it.

The file is SQL. Before each statement stand the types of its parameters and of its results; before
all of them, for each table, the columns that cannot be left out of an INSERT.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import asyncpg

from libs.db.query_log import statement_name

RELEASES: Final = Path(__file__).parent

_HEAD: Final = "-- {module} of {version}; made by `python -m tests.releases`, not to be edited\n"
_REQUIRED: Final = re.compile(r"^-- table (\w+) needs: ?(.*)$", re.MULTILINE)
_STATEMENT: Final = re.compile(r"^-- takes: ?(.*)\n-- gives: ?(.*)\n", re.MULTILINE)

_WIDER: Final = frozenset(
    {("int2", "int4"), ("int2", "int8"), ("int4", "int8"), ("varchar", "text"), ("text", "varchar")}
)
"""Old and new types that make no difference to a program: from the old one to the new one."""

_NEEDED: Final = """
SELECT c.relname AS "table",
       coalesce(array_agg(a.attname::text ORDER BY a.attname) FILTER (
           WHERE a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''), '{}') AS columns
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'aerich'
 GROUP BY c.relname ORDER BY c.relname
"""


@dataclass(frozen=True)
class Statement:
    """A statement, and what it means to the program.

    Attributes:
        takes: the types of its parameters.
        gives: the types of its results, by name.
    """

    sql: str
    takes: Sequence[str]
    gives: Mapping[str, str]

    @property
    def name(self) -> str:
        return statement_name(self.sql)

    @classmethod
    async def described(cls, connection: asyncpg.Connection, sql: str) -> Self:
        """Have PostgreSQL describe a statement.

        Raises:
            asyncpg.PostgresError: it cannot be run in this schema.
        """
        async with connection.transaction():  # which alone is aborted if that fails
            prepared = await connection.prepare(sql)
        takes = [parameter.name for parameter in prepared.get_parameters()]
        return cls(sql, takes, {a.name: a.type.name for a in prepared.get_attributes()})


@dataclass(frozen=True)
class Release:
    """What a module of one version asks of its schema.

    Attributes:
        needed: for each table the columns that must be given a value.
    """

    module: str
    version: str
    statements: Sequence[Statement]
    needed: Mapping[str, Sequence[str]]

    @classmethod
    async def described(
        cls, connection: asyncpg.Connection, module: str, version: str, statements: Iterable[str]
    ) -> Self:
        """Of the schema as it is."""
        ordered = sorted(statements, key=lambda sql: (statement_name(sql), sql))
        known = [await Statement.described(connection, sql) for sql in ordered]
        return cls(module, version, known, await _needed(connection, module))

    @classmethod
    def read(cls, file: Path) -> Self:
        head, *rest = _STATEMENT.split(file.read_text())
        needed = {table: _words(columns) for table, columns in _REQUIRED.findall(head)}
        statements = [
            Statement(sql.strip().removesuffix(";"), _words(takes), _pairs(gives))
            for takes, gives, sql in zip(rest[0::3], rest[1::3], rest[2::3], strict=True)
        ]
        return cls(file.stem, file.parent.name, statements, needed)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        parts = [_HEAD.format(module=self.module, version=self.version)]
        parts += [f"-- table {t} needs: {', '.join(c)}\n" for t, c in self.needed.items()]
        for statement in self.statements:
            takes = f"-- takes: {', '.join(statement.takes)}".rstrip()
            gives = f"-- gives: {', '.join(f'{n} {t}' for n, t in statement.gives.items())}"
            parts.append(f"\n{takes}\n{gives.rstrip()}\n{statement.sql.strip()};\n")
        (folder / f"{self.module}.sql").write_text("".join(parts))

    async def violations(self, connection: asyncpg.Connection) -> list[str]:
        """What of it the schema does not grant any more, a line each.

        Args:
            connection: the module's, with its search_path.
        """
        found: list[str] = []
        for statement in self.statements:
            try:
                now = await Statement.described(connection, statement.sql)
            except asyncpg.PostgresError as error:
                found.append(f"{statement.name}: {error}")
            else:
                found += [f"{statement.name}: {what}" for what in _changes(statement, now)]
        for table, columns in (await _needed(connection, self.module)).items():
            # of a table that is new the release knows nothing
            new = [c for c in columns if c not in self.needed.get(table, columns)]
            found += [f"{table}.{c}: must be given a value, which it need not before" for c in new]
        return found


def _changes(before: Statement, now: Statement) -> list[str]:
    found = [
        f"${number} was {old} and is {new}"
        for number, (old, new) in enumerate(zip(before.takes, now.takes, strict=True), 1)
        if not _fits(old, new)
    ]
    for name, old in before.gives.items():
        if not _fits(old, now.gives[name]):
            found.append(f"{name} was {old} and is {now.gives[name]}")
    return found


def _fits(old: str, new: str) -> bool:
    return old == new or (old, new) in _WIDER


async def _needed(connection: asyncpg.Connection, module: str) -> dict[str, list[str]]:
    rows = await connection.fetch(_NEEDED, f'"{module}"')
    return {row["table"]: row["columns"] for row in rows}


def _words(text: str) -> list[str]:
    return text.split(", ") if text else []


def _pairs(text: str) -> dict[str, str]:
    pairs = (pair.rpartition(" ") for pair in _words(text))
    return {name: kind for name, _, kind in pairs}
