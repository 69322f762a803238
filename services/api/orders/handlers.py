"""What is found out about orders elsewhere. Runs in the consumer's unit of work."""

from libs.contracts.worker import OrderAssessed
from libs.events.handling import AnyHandler, Handler
from services.api.orders.repository import Assessment
from services.api.orders.service import Orders


def handlers(orders: Orders) -> list[AnyHandler]:
    """The handlers of this domain."""

    async def confirm(event: OrderAssessed, _: None) -> None:
        assessment = Assessment(
            reporting_total=event.reporting_total.amount,
            reporting_currency=event.reporting_total.currency,
            rate=event.rate,
            rate_as_of=event.rate_as_of,
            stale=event.stale,
            due_on=event.due_on,
        )
        await orders.confirm(event.order_id, event.order_version, assessment)

    return [Handler(name="orders.assessed", event=OrderAssessed, handle=confirm)]
