"""The catalogue's own events, consumed by whichever process gets them: the cache is shared.

Who made the change has told the cache already. This is for when that process died before it could.
"""

from libs.contracts.api import ServiceChanged
from libs.events.handling import AnyHandler, Handler
from services.api.catalog.service import Catalog


def handlers(catalog: Catalog) -> list[AnyHandler]:
    """The handlers of this domain."""

    async def forget(event: ServiceChanged) -> None:
        await catalog.forget(event.service_id)

    async def nothing_more(_: ServiceChanged, __: None) -> None:
        """The cache is not part of the transaction: `forget` was before it."""

    return [
        Handler(name="catalog.cache", event=ServiceChanged, prepare=forget, handle=nothing_more)
    ]
