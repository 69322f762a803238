"""How PostgreSQL goes about a statement."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from tests.statements import Sent


@dataclass(frozen=True)
class Plan:
    """A plan, as EXPLAIN shows it in JSON."""

    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        """All parts of it, those of the statements within it too."""
        todo = [self.root]
        while todo:
            node = todo.pop()
            yield node
            todo += node.get("Plans", ())

    @property
    def scanned(self) -> list[str]:
        """The tables that are read from end to end."""
        return [n["Relation Name"] for n in self.nodes() if n["Node Type"] == "Seq Scan"]

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    @property
    def sorts(self) -> bool:
        return any("Sort" in node["Node Type"] for node in self.nodes())

    @property
    def blocks(self) -> int:
        """How many blocks it has looked at, whether they were in memory or not."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    @property
    def rows(self) -> int:
        """How many rows it has read from tables and indexes, those it then left out too."""
        read = [node for node in self.nodes() if "Scan" in node["Node Type"]]
        return sum(
            round(
                (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            )
            for node in read
        )

    def __str__(self) -> str:
        return orjson.dumps(self.root, option=orjson.OPT_INDENT_2).decode()


async def plan(connection: asyncpg.Connection, sent: Sent) -> Plan:
    """The plan for just these parameters.

    Args:
        connection: with the module's role and search_path.
    """
    return await _explained(connection, "", sent)


async def generic_plan(connection: asyncpg.Connection, sent: Sent) -> Plan:
    """The plan that a prepared statement may have, which is made for any parameters."""
    return await _explained(connection, ", GENERIC_PLAN", sent)


async def measured_plan(connection: asyncpg.Connection, sent: Sent) -> Plan:
    """The plan for these parameters with what it has cost. The statement is run for that."""
    return await _explained(connection, ", ANALYZE, BUFFERS, TIMING off, SUMMARY off", sent)


async def _explained(connection: asyncpg.Connection, options: str, sent: Sent) -> Plan:
    text = await connection.fetchval(f"EXPLAIN (FORMAT json{options}) {sent.sql}", *sent.args)
    [explained] = orjson.loads(text)
    return Plan(explained["Plan"])
