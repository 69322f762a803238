"""What api is given."""

from typing import ClassVar

from pydantic import Field

from libs.cache.settings import CacheSettings
from libs.config import Group, ModuleSettings
from libs.db.settings import DatabaseSettings, IdempotencySettings
from libs.documents.settings import DocumentsSettings
from libs.events.settings import ConsumerSettings, EventSettings, RelaySettings
from libs.web.settings import CursorSettings


class CatalogSettings(Group):
    """How old an answer from the catalogue may be. A price counts for an order just as long."""

    prefix: ClassVar[str] = "CATALOG"
    per_module: ClassVar[bool] = True

    item_ttl_s: float = Field(60.0, gt=0, description="how long a service is cached, in seconds")
    page_ttl_s: float = Field(
        30.0, gt=0, description="how long a page of the list is cached, in seconds"
    )


class ApiSettings(ModuleSettings):
    """The module's settings."""

    uses: ClassVar[tuple[str, ...]] = ("auth",)

    database: DatabaseSettings
    idempotency: IdempotencySettings
    documents: DocumentsSettings
    cache: CacheSettings
    events: EventSettings
    relay: RelaySettings
    consumer: ConsumerSettings
    cursors: CursorSettings
    catalog: CatalogSettings


SETTINGS = ApiSettings
