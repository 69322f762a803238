"""Versions of a document's form, and how readers and writers of different releases get along.

A document says which form it has (`schema_version`), and which the oldest form is whose readers
understand it (`min_reader`). A release knows the forms 1 to N, and

- reads every older form: `upgraded` leads it to N, one step at a time, without a write;
- reads a newer one if `min_reader` is N or less, and ignores the fields that it does not know;
- writes N, field by field: what a newer release has added to the document stays there.

So two releases can serve side by side. What becomes of a document that cannot be read is said in
`libs.documents.collections`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_VERSION: Final = "schema_version"
MIN_READER: Final = "min_reader"

Document = dict[str, Any]

Upgrade = Callable[[Mapping[str, Any]], Document]
"""From one form to the next: a pure function. It must take a document that has some of the next
form already, because an older release may have written over a newer one's."""


class Unreadable(ValueError):
    """A document has a form that this code does not know, or breaks a rule.

    The text names fields and never values, because it is logged.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The forms of one collection's documents.

    Attributes:
        upgrades: the first leads from 1 to 2, and so on. They are never changed: a document of
            that form may be anywhere, in a backup too.
        min_reader: the oldest form whose readers understand a document of the current one.
    """

    upgrades: tuple[Upgrade, ...] = ()
    min_reader: int = 1

    @property
    def current(self) -> int:
        """The form that is written."""
        return len(self.upgrades) + 1

    @property
    def stamp(self) -> Document:
        """What a document of the current form says of itself."""
        return {SCHEMA_VERSION: self.current, MIN_READER: self.min_reader}

    def upgraded(self, document: Mapping[str, Any]) -> Document:
        """The document in the current form. One of a newer form that can be read is left as it is.

        Raises:
            Unreadable: it has no form that this code knows, or not the one that it says.
        """
        version = document.get(SCHEMA_VERSION)
        if type(version) is not int or version < 1:
            raise Unreadable("it does not say its schema version")
        if version > self.current:
            needed = document.get(MIN_READER, version)
            if type(needed) is not int or needed > self.current:
                raise Unreadable(f"schema version {version} is for newer code")
            return dict(document)
        upgraded = dict(document)
        for number, upgrade in enumerate(self.upgrades[version - 1 :], version):
            try:
                upgraded = upgrade(upgraded)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                kind = type(error).__name__
                raise Unreadable(f"it is not of the schema version {number} ({kind})") from error
        return {**upgraded, **self.stamp}
