"""What the others are told of orders."""

from libs.contracts.api import (
    OrderCancelled,
    OrderChanged,
    OrderConfirmed,
    OrderDeleted,
    OrderPlaced,
)
from libs.schema import Money
from services.api.orders.repository import Assessment, Confirmed, Order


def placed(order: Order, country: str) -> OrderPlaced:
    """Also of a customer's country."""
    return OrderPlaced(
        order_id=order.id,
        customer_id=order.customer_id,
        country=country,
        total=Money(amount=order.total, currency=order.currency),
        placed_at=order.placed_at,
        order_version=order.version,
    )


def changed(order: Order, country: str) -> OrderChanged:
    return OrderChanged(**dict(placed(order, country)), status=order.status)


def confirmed(order: Confirmed, assessment: Assessment) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order.id,
        customer_id=order.customer_id,
        total=Money(amount=order.total, currency=order.currency),
        reporting_total=Money(
            amount=assessment.reporting_total, currency=assessment.reporting_currency
        ),
    )


def cancelled(order: Order) -> OrderCancelled:
    return OrderCancelled(
        order_id=order.id,
        customer_id=order.customer_id,
        total=Money(amount=order.total, currency=order.currency),
        cancelled_at=order.updated_at,
    )


def deleted(order: Order) -> OrderDeleted:
    return OrderDeleted(order_id=order.id, customer_id=order.customer_id)
