"""What happens to users elsewhere, taken over. Runs in the consumer's unit of work."""

from libs.contracts.auth import UserCreated, UserDeleted, UserUpdated
from libs.events.handling import AnyHandler, Handler
from services.api.customers.service import Customers


def handlers(customers: Customers) -> list[AnyHandler]:
    """The handlers of this domain."""

    async def take_over(event: UserCreated, _: None) -> None:
        await customers.take_over(
            event.user_id,
            name=event.display_name,
            country=event.country,
            revision=event.revision,
        )

    async def delete(event: UserDeleted, _: None) -> None:
        await customers.delete(event.user_id, revision=event.revision)

    return [
        Handler(name="customers.created", event=UserCreated, handle=take_over),
        Handler(name="customers.updated", event=UserUpdated, handle=take_over),
        Handler(name="customers.deleted", event=UserDeleted, handle=delete),
    ]
