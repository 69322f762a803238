"""Why an order cannot be assessed, ever."""

from libs.errors import InvalidInput


class UnknownCurrency(InvalidInput):
    """No use in trying again: the event goes to the dead letters at once."""

    code = "assessments.unknown_currency"
    title = "There is no exchange rate for the order's currency"
