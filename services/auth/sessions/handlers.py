"""`SessionEnded` → the deny list.

Whoever ends a session puts it there, once that is committed. Should the process die in between, or
Redis not take it, this does it. Again does no harm.
"""

from libs.auth.deny_list import DenyList
from libs.contracts.auth import SessionEnded
from libs.events.handling import AnyHandler, Handler

NAME = "deny_list"


def handlers(deny_list: DenyList) -> list[AnyHandler]:
    """The handlers of this domain."""

    async def deny(event: SessionEnded) -> None:
        await deny_list.deny({str(event.session_id): event.access_until.timestamp()})

    async def nothing(_: SessionEnded, __: None) -> None:
        """The list is in no database: there is nothing to commit."""

    return [Handler(name=NAME, event=SessionEnded, handle=nothing, prepare=deny)]
