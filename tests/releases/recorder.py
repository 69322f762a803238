"""A plugin of pytest that writes down the statements that the modules run in tests.

It looks at the connections that say they are a module's. Tests may use them too, to look into the
database. But what a module runs either has a name (`/* orders.get */ SELECT ...`) or is Tortoise's.
"""

import asyncio
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from libs.module import Module
from services import registry
from tests.integration.databases import ModuleDatabase
from tests.releases.statements import Release
from tests.servers import Servers
from tests.statements import Sent, listen

OPTION: Final = "--record-statements"

_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
_PREPARED: Final = re.compile(r"\s*(?:select|insert|update|delete|with)\b", re.IGNORECASE)
_NAMED: Final = re.compile(r"\s*/\* (?!drift\.|aerich\.|db\.)[\w.]+ \*/")
_TORTOISE_S: Final = re.compile(r'(?:SELECT .* FROM|INSERT INTO|UPDATE|DELETE FROM) "(?!aerich")')

_statements: Final = defaultdict[str, set[str]](set)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, required=True, metavar="FOLDER")


def pytest_configure() -> None:
    listen(_record)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    folder: Path = session.config.getoption(OPTION)
    for module in registry.load(tuple(_statements)):
        asyncio.run(_write(module, folder))


def _record(sent: Sent) -> None:
    if _is_the_module_s(sent.sql):
        lines = sent.sql.strip().removesuffix(";").split("\n")
        _statements[sent.module].add("\n".join(line.rstrip() for line in lines))


def _is_the_module_s(sql: str) -> bool:
    known = _NAMED.match(sql) or _TORTOISE_S.match(sql)
    return bool(known and _PREPARED.match(_COMMENT.sub("", sql)))


async def _write(module: Module, folder: Path) -> None:
    database = await ModuleDatabase.create(Servers.found().postgres, module)
    connection: asyncpg.Connection = await asyncpg.connect(
        database.url, server_settings={"search_path": module.name}
    )
    try:
        release = await Release.described(
            connection, module.name, folder.name, _statements[module.name]
        )
    finally:
        await connection.close()
    release.write(folder)
