"""The statements that modules send to PostgreSQL, as the driver knows them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import pytest

from libs.db.query_log import statement_name

_APPLICATION: Final = re.compile(r"throughline/(\w+)(?:/relay)?")


@dataclass(frozen=True)
class Sent:
    """A statement that was sent, and has succeeded.

    Attributes:
        module: whose connection it was.
    """

    module: str
    sql: str
    args: tuple[Any, ...]

    @property
    def name(self) -> str:
        return statement_name(self.sql)


def listen(note: Callable[[Sent], None]) -> Callable[[], None]:
    """Have `note` told of everything that is sent on connections that say they are a module's.

    Returns:
        What ends that.
    """
    connect: Any = asyncpg.Connection.__init__

    def told(query: Any) -> None:
        settings = query.conn_params.server_settings or {}
        module = _APPLICATION.fullmatch(settings.get("application_name", ""))
        if module and query.exception is None:
            note(Sent(module[1], query.query, tuple(query.args or ())))

    def connect_and_listen(self: asyncpg.Connection, *args: Any, **kwargs: Any) -> None:
        connect(self, *args, **kwargs)
        self.add_query_logger(told)

    patch = pytest.MonkeyPatch()
    patch.setattr(asyncpg.Connection, "__init__", connect_and_listen)
    return patch.undo
