"""Who may do what with whose orders.

One's own, and for whoever may see or manage everybody's, those too. An order that the caller may
not see is not there.
"""

from uuid import UUID

from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.errors import PermissionDenied
from services.api.orders.errors import NoCustomer, OrderNotFound
from services.api.orders.repository import CustomerDetails, Order


def owner_of_visible(principal: Principal) -> UUID | None:
    """Whose orders the caller may see; None: everybody's."""
    return None if principal.may(Permission.ORDERS_READ_ALL) else user_id(principal)


def visible(principal: Principal, order: Order | None) -> Order:
    """The order, if the caller may see it.

    Raises:
        OrderNotFound: they may not, or there is none.
    """
    if order is None or owner_of_visible(principal) not in (None, order.customer_id):
        raise OrderNotFound
    return order


def changeable(principal: Principal, order: Order | None) -> Order:
    """The order, if the caller may change it.

    Raises:
        OrderNotFound: they may not even see it.
        PermissionDenied: they may see it, and that is all.
    """
    order = visible(principal, order)
    own = principal.subject == str(order.customer_id)
    if not (own or principal.may(Permission.ORDERS_MANAGE)):
        raise PermissionDenied("Only the customer and administrators may change an order")
    return order


def deletable(principal: Principal, order: Order | None) -> Order:
    """The order, if the caller may delete it.

    Raises:
        OrderNotFound: they may not even see it.
        PermissionDenied: they may see it, but not delete it.
    """
    order = visible(principal, order)
    if not principal.may(Permission.ORDERS_MANAGE):
        raise PermissionDenied("Only administrators may delete an order")
    return order


def user_id(principal: Principal) -> UUID:
    """The caller, as a user.

    Raises:
        NoCustomer: they are none.
    """
    try:
        return UUID(principal.subject)
    except ValueError as error:
        raise NoCustomer from error


def customer(principal: Principal) -> CustomerDetails:
    """The caller, as a customer.

    Raises:
        NoCustomer: they are none.
    """
    if not principal.country:
        raise NoCustomer
    return CustomerDetails(
        id=user_id(principal),
        name=principal.name,
        country=principal.country,
        revision=principal.revision,
    )
