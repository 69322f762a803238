"""SQL with named parameters, for statements that have many, or are put together from parts.

    ADD = Statement("/* things.add */ INSERT INTO things (id, name) VALUES (:id, :name)")
    await db.rows(ADD.sql, *ADD.arguments({"id": uuid7(), "name": "x"}))

A part is text of whoever owns the table that it is about. What it needs is named after the owner
(`:event_id`), so that parts get along with each other.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")


class Statement:
    """A statement as PostgreSQL wants it.

    Attributes:
        sql: with numbered parameters.
    """

    def __init__(self, text: str) -> None:
        self._names = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        numbers = {name: f"${number}" for number, name in enumerate(self._names, 1)}
        self.sql = _PARAMETER.sub(lambda found: numbers[found[1]], text)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values of its parameters, in their order; others are ignored.

        Raises:
            KeyError: one is missing.
        """
        return [values[name] for name in self._names]
