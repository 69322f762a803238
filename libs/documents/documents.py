"""MongoDB's life cycle, one per process, shared by every module in it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from odmantic import AIOEngine
from pymongo.errors import OperationFailure

from libs.context import current, transaction_open
from libs.documents.collections import Collection
from libs.documents.command_log import CommandLog
from libs.documents.errors import OUTAGES, IndexDrift, translate
from libs.documents.indexes import Drift
from libs.documents.settings import DocumentsSettings
from libs.documents.versions import Document
from libs.errors import DeadlineExceeded

_INDEX_NOT_FOUND: Final = 27
"""MongoDB's code."""


class Documents:
    """A MongoDB database.

    It connects when it is first asked, so that a process starts without. A write is acknowledged by
    the majority's journals; times are aware, UUIDs are in the standard representation.
    """

    def __init__(self) -> None:
        self._settings: DocumentsSettings | None = None
        self._client: AsyncIOMotorClient[Document] | None = None
        self._engine: AIOEngine | None = None
        self._declared: dict[str, Collection[Any]] = {}

    def configure(self, settings: DocumentsSettings) -> None:
        """Say where MongoDB is; every module that shares this says the same.

        Raises:
            ValueError: a module says something else.
        """
        if self._settings is not None and self._settings != settings:
            raise ValueError("the modules of a process share one MongoDB: their settings differ")
        self._settings = settings

    async def open(self) -> None:
        """Make the client; nothing is connected yet. Without settings, nothing happens."""
        settings = self._settings
        if settings is None or self._client is not None:
            return
        self._client = AsyncIOMotorClient(
            settings.url.get_secret_value(),
            appname="throughline",
            tz_aware=True,
            uuidRepresentation="standard",
            w="majority",
            journal=True,
            timeoutMS=settings.timeout_ms,
            serverSelectionTimeoutMS=settings.timeout_ms,
            connectTimeoutMS=settings.timeout_ms,
            event_listeners=[CommandLog(slow_ms=settings.slow_ms)],
        )
        self._engine = AIOEngine(self._client, settings.database)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._engine = self._client, None, None
        if client is not None:
            client.close()

    async def ping(self) -> None:
        """Ask the server.

        Raises:
            Unavailable: it does not answer.
        """
        async with self.operation():
            await self.engine.database.command("ping")

    @property
    def engine(self) -> AIOEngine:
        """odmantic's engine. Use it within `operation`."""
        if self._engine is None:
            raise RuntimeError("the document database is not open")
        return self._engine

    def collection(self, name: str) -> AsyncIOMotorCollection[Document]:
        """Motor's collection, for hot paths. Use it within `operation`."""
        collection: AsyncIOMotorCollection[Document] = self.engine.database[name]
        return collection

    @asynccontextmanager
    async def operation(self, *, timeout_s: float | None = None) -> AsyncIterator[None]:
        """The block in which a repository talks to MongoDB.

        Args:
            timeout_s: seconds for the whole block, instead of those in the settings. The context's
                deadline holds in any case.

        Raises:
            Unavailable: MongoDB cannot serve us now.
            DeadlineExceeded: nor before the context's deadline.
            RuntimeError: entered inside a unit of work.
        """
        if transaction_open.get():
            raise RuntimeError("the document database is used inside a transaction")
        if self._settings is None:
            raise RuntimeError("the document database is not open")
        patience = self._settings.timeout_ms / 1000 if timeout_s is None else timeout_s
        deadline = current().deadline
        if deadline is not None:
            patience = min(patience, deadline - time.monotonic())
        if patience <= 0:
            raise DeadlineExceeded("no time is left to ask the document database")
        try:
            with pymongo.timeout(patience):
                yield
        except OUTAGES as error:
            if deadline is not None and time.monotonic() >= deadline:
                raise DeadlineExceeded("the document database did not answer in time") from error
            raise translate(error) from error

    def declare(self, collection: Collection[Any]) -> None:
        """Say what a collection of a module is like; `prepare` and the commands go by it.

        Raises:
            ValueError: another module has one of this name.
        """
        if self._declared.setdefault(collection.name, collection) is not collection:
            raise ValueError(f"the collection {collection.name} is declared twice")

    @property
    def declared(self) -> tuple[Collection[Any], ...]:
        """What was declared, in that order."""
        return tuple(self._declared.values())

    async def prepare(self, *, timeout_s: float = 60.0) -> None:
        """Create the declared indexes that are missing, and drop the retired ones.

        Safe to repeat, and to run in several places at once. What replaces a retired index is there
        before that goes.

        Raises:
            IndexDrift: an index of a declared name is there and differs. Nothing was changed.
        """
        async with self.operation(timeout_s=timeout_s):
            found = {c.name: await self.drift(c) for c in self.declared}
            differing = [f"{c}.{name}" for c, drift in found.items() for name in drift.differing]
            if differing:
                raise IndexDrift(f"Not as declared: {', '.join(differing)}. See docs/documents.md")
            for collection in self.declared:
                there, wanted = self.collection(collection.name), found[collection.name]
                missing = [i.model() for i in collection.all_indexes if i.name in wanted.missing]
                if missing:
                    await there.create_indexes(missing)
                for name in wanted.retired:
                    await _drop(there, name)

    async def drift(self, collection: Collection[Any]) -> Drift:
        """How the real indexes differ from the declared ones. Use it within `operation`."""
        return collection.drift(await self.collection(collection.name).list_indexes().to_list(None))


async def _drop(collection: AsyncIOMotorCollection[Document], name: str) -> None:
    try:
        await collection.drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # somebody else was faster
            raise
