"""Indexes: as they are declared beside the model that needs them, and as they really are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import IndexModel

_SAYS_NOTHING: Final = frozenset({"v", "ns", "background"})
_OWN: Final = "_id_"
"""The index that every collection has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of one collection.

    Attributes:
        name: what queries name it by, and what it is found again by.
        keys: fields and directions (1, -1), in order.
        unique: whether equal keys are refused.
        where: the filter of a partial index: which documents are in it.
        expire_after_s: seconds after the time in the (only) field when a document is deleted.
    """

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    where: Mapping[str, Any] | None = None
    expire_after_s: int | None = None

    def model(self) -> IndexModel:
        """The same for the driver."""
        options: dict[str, Any] = {"name": self.name}
        if self.unique:
            options["unique"] = True
        if self.where is not None:
            options["partialFilterExpression"] = dict(self.where)
        if self.expire_after_s is not None:
            options["expireAfterSeconds"] = self.expire_after_s
        return IndexModel(list(self.keys), **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the indexes of a collection differ from those that are declared: names.

    Attributes:
        missing: declared and not there.
        differing: there, and not as they are declared.
        retired: of an earlier release; the next migration drops them.
        surplus: there, and nobody has declared them.
    """

    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.differing or self.retired or self.surplus)


def drift(
    declared: Iterable[Index], retired: Sequence[str], found: Iterable[Mapping[str, Any]]
) -> Drift:
    """Compare.

    Args:
        retired: the names of those that an earlier release declared.
        found: the server's descriptions of its indexes.
    """
    there = {str(index["name"]): _essence(index) for index in found}
    wanted = {index.name: _essence(index.model().document) for index in declared}
    others = there.keys() - wanted.keys() - {_OWN}
    return Drift(
        missing=tuple(name for name in wanted if name not in there),
        differing=tuple(n for n, index in wanted.items() if there.get(n, index) != index),
        retired=tuple(sorted(others & set(retired))),
        surplus=tuple(sorted(others - set(retired))),
    )


def _essence(index: Mapping[str, Any]) -> dict[str, Any]:
    """What makes an index what it is, in a form that can be compared."""
    options = {name: value for name, value in index.items() if name not in _SAYS_NOTHING and value}
    keys = [(field, int(direction)) for field, direction in dict(index["key"]).items()]
    return {**options, "key": keys}
