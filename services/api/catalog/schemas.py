"""Requests and answers of the catalogue. A service is answered as it is: `documents.Service`."""

from typing import Annotated

from pydantic import Field

from libs.schema import Schema
from libs.web.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from services.api.catalog.documents import Service


class ServiceQuery(Schema):
    """Which services to list."""

    category: Annotated[
        str | None, Field(max_length=40, description="Only services of this category")
    ] = None
    active: Annotated[
        bool | None, Field(description="Only services that can, or cannot, be ordered")
    ] = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    @property
    def filters(self) -> dict[str, str | bool]:
        """The fields that are asked for, and their values."""
        wanted = {"category": self.category, "active": self.active}
        return {name: value for name, value in wanted.items() if value is not None}


class ServicePage(Page[Service]):
    """Services by name."""
