"""Indexes as they are declared by the repositories that need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of one collection.

    Attributes:
        collection: its name.
        keys: fields and directions (1, -1), in order.
        unique: whether equal keys are refused.
        where: the filter of a partial index.
        expire_after_s: seconds after the time in the (only) field when a document is deleted.
    """

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    where: Mapping[str, Any] | None = None
    expire_after_s: int | None = None

    @property
    def name(self) -> str:
        """As MongoDB names an index by itself: `category_1_name_1`."""
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)

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
