"""Bringing documents of earlier forms to the current one, in bulk, while they are in use.

A document is changed only if it still is what was read: its form and its version are in the filter.
What somebody else has written meanwhile is looked at again in the next round. A document that is in
the current form is not touched, so that an interrupted run is simply started again.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import UpdateOne

from libs.documents.collections import BY_VERSION, Collection
from libs.documents.documents import Documents
from libs.documents.indexes import Drift
from libs.documents.versions import SCHEMA_VERSION, Document, Unreadable

BATCH: Final = 500
_TIMEOUT_S: Final = 60.0
_SHOWN: Final = 20


@dataclass(slots=True)
class Progress:
    """How far a migration is.

    Attributes:
        total: documents of earlier forms, when it began.
        migrated: done; in a dry run, those that would be.
        contested: how often somebody else was faster.
        unreadable: the ids of those that are left as they are, and why.
    """

    total: int = 0
    migrated: int = 0
    contested: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a collection is like.

    Attributes:
        versions: how many documents there are of each form; None: they do not say.
        drift: of the indexes.
        unreadable: ids, and why; only if the documents were read.
    """

    collection: str
    current: int
    versions: Mapping[int | None, int]
    drift: Drift
    unreadable: Mapping[str, str]

    @property
    def well(self) -> bool:
        """Whether there is nothing to be done."""
        return not self.drift and not self.unreadable and set(self.versions) <= {self.current}


class Migration:
    """The migration of one collection.

    Args:
        batch: documents that are read and written at a time.
        dry_run: write nothing.
        report: told after every batch.
    """

    def __init__(
        self,
        documents: Documents,
        collection: Collection[Any],
        *,
        batch: int = BATCH,
        dry_run: bool = False,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._documents = documents
        self._collection = collection
        self._batch = batch
        self._dry_run = dry_run
        self._report = report
        self.progress = Progress()

    async def run(self) -> Progress:
        """Migrate until there is nothing left that can be."""
        older = {SCHEMA_VERSION: {"$lt": self._collection.versions.current}}
        async with self._documents.operation(timeout_s=_TIMEOUT_S):
            there = self._documents.collection(self._collection.name)
            self.progress.total = await there.count_documents(older, hint=BY_VERSION.name)
        again = True
        while again:
            contested = self.progress.contested
            for version in range(1, self._collection.versions.current):
                async for batch in self._of(version):
                    await self._move(batch)
                    self._report(self.progress)
            again = self.progress.contested > contested
        return self.progress

    async def _of(self, version: int) -> AsyncIterator[Sequence[Document]]:
        """The documents of one form, in batches by id."""
        query: Document = {SCHEMA_VERSION: version}
        while True:
            async with self._documents.operation(timeout_s=_TIMEOUT_S):
                found = self._documents.collection(self._collection.name).find(query)
                found = found.sort([("_id", 1)]).limit(self._batch).hint(BY_VERSION.name)
                batch = await found.to_list(self._batch)
            if not batch:
                return
            yield batch
            query["_id"] = {"$gt": batch[-1]["_id"]}

    async def _move(self, batch: Sequence[Document]) -> None:
        changes = [change for document in batch if (change := self._change(document)) is not None]
        if self._dry_run or not changes:
            self.progress.migrated += len(changes)
            return
        async with self._documents.operation(timeout_s=_TIMEOUT_S):
            there = self._documents.collection(self._collection.name)
            result = await there.bulk_write(changes, ordered=False)
        self.progress.migrated += result.matched_count
        self.progress.contested += len(changes) - result.matched_count

    def _change(self, document: Document) -> UpdateOne | None:
        """What leads the document to the current form; None: it cannot be read."""
        try:
            self._collection.read(document)
            upgraded = self._collection.versions.upgraded(document)
        except Unreadable as error:
            self.progress.unreadable[str(document["_id"])] = str(error)
            return None
        guard = {n: document.get(n) for n in ("_id", SCHEMA_VERSION, "version")}
        new = {n: v for n, v in upgraded.items() if n not in document or document[n] != v}
        gone = {name: "" for name in document if name not in upgraded}
        return UpdateOne(guard, {"$set": new, **({"$unset": gone} if gone else {})})


async def check(
    documents: Documents, collection: Collection[Any], *, read: bool = False
) -> Findings:
    """Look at a collection.

    Args:
        read: whether every document is read, to find those that cannot be.
    """
    async with documents.operation(timeout_s=_TIMEOUT_S):
        there = documents.collection(collection.name)
        counting = there.aggregate([{"$group": {"_id": f"${SCHEMA_VERSION}", "n": {"$sum": 1}}}])
        counts = {group["_id"]: group["n"] for group in await counting.to_list(None)}
        drift = await documents.drift(collection)
    return Findings(
        collection=collection.name,
        current=collection.versions.current,
        versions=counts,
        drift=drift,
        unreadable=await _unreadable(documents, collection) if read else {},
    )


async def _unreadable(documents: Documents, collection: Collection[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    query: Document = {}
    while len(found) < _SHOWN:
        async with documents.operation(timeout_s=_TIMEOUT_S):
            there = documents.collection(collection.name)
            batch = await there.find(query).sort([("_id", 1)]).limit(BATCH).to_list(BATCH)
        if not batch:
            break
        query = {"_id": {"$gt": batch[-1]["_id"]}}
        for document in batch:
            try:
                collection.read(document)
            except Unreadable as error:
                found[str(document["_id"])] = str(error)
    return found
