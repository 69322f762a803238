"""What a module says of one of its collections: beside the model, in `documents.py`.

A document that this code cannot read (`Unreadable`) is a defect that somebody has to look at. It is
logged with its id and counted, and the request for it alone fails; a list goes on without it. What
one broken document takes with it is not for others to pay.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from odmantic.exceptions import DocumentParsingError
from prometheus_client import Counter
from pydantic import ValidationError

from libs.documents.indexes import Drift, Index, drift
from libs.documents.versions import SCHEMA_VERSION, Document, Unreadable, Versions
from libs.logging import get_logger

log = get_logger()

UNREADABLE = Counter(
    "throughline_documents_unreadable", "Documents that could not be read", ["collection"]
)

BY_VERSION: Final = Index(name="schema_version", keys=((SCHEMA_VERSION, 1), ("_id", 1)))
"""What the migration finds documents of earlier forms by. Every collection has it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(Generic[T]):
    """A collection.

    Attributes:
        versions: the forms of its documents.
        parse: makes a document of the current form what the code works with; raises ValueError.
        indexes: those that its queries need.
        kept: the names of indexes of the release before, whose queries may still need them while
            the two serve side by side. The next release retires them.
        retired: the names of indexes that no release that may be running needs; a migration drops
            them.
    """

    name: str
    versions: Versions
    parse: Callable[[Document], T]
    indexes: tuple[Index, ...]
    kept: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()

    @property
    def all_indexes(self) -> tuple[Index, ...]:
        """The declared ones, and the one that every collection has."""
        return (*self.indexes, BY_VERSION)

    def drift(self, found: Iterable[Mapping[str, Any]]) -> Drift:
        """How indexes differ from the declared ones, given the server's descriptions of them."""
        others = [index for index in found if index["name"] not in self.kept]
        return drift(self.all_indexes, self.retired, others)

    def read(self, document: Mapping[str, Any]) -> T:
        """What is in a document of any form.

        Raises:
            Unreadable: nobody knows.
        """
        try:
            return self.parse(self.versions.upgraded(document))
        except Unreadable:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable(_reason(error)) from error

    def read_or_tell(self, document: Mapping[str, Any]) -> T | None:
        """What is in a document, or None: it cannot be read, and that has been logged."""
        try:
            return self.read(document)
        except Unreadable as error:
            reason = str(error)
        UNREADABLE.labels(self.name).inc()
        log.error(
            "document.unreadable",
            collection=self.name,
            documentId=str(document.get("_id")),
            schemaVersion=str(document.get(SCHEMA_VERSION)),
            reason=reason,
        )
        return None


def _reason(error: Exception) -> str:
    """What is wrong, without values: those may stand in an error's text."""
    inner = error.inner if isinstance(error, DocumentParsingError) else error
    if isinstance(inner, ValidationError):
        mistakes = inner.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, m['loc']))}: {m['type']}" for m in mistakes)
    return f"it breaks a rule ({type(error).__name__})"
