"""What can go wrong with orders."""

from libs.errors import Conflict, InvalidInput, NotFound, PermissionDenied


class UnknownService(InvalidInput):
    code = "orders.unknown_service"
    title = "A service does not exist or cannot be ordered"


class CurrencyMismatch(InvalidInput):
    code = "orders.currency_mismatch"
    title = "A service is sold in another currency than the order's"


class NoCustomer(PermissionDenied):
    code = "orders.no_customer"
    title = "The caller is no customer who can order"


class OrderNotFound(NotFound):
    code = "orders.not_found"
    title = "There is no such order"


class NotPending(Conflict):
    code = "orders.not_pending"
    title = "The lines of an order can only be changed while it is pending"


class IllegalStatusChange(Conflict):
    code = "orders.illegal_status_change"
    title = "The order's status does not admit this"
