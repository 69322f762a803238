"""What can be wrong with a question about exchange rates."""

from libs.errors import NotFound


class UnknownCurrency(NotFound):
    code = "exchange_rates.unknown_currency"
    title = "There is no reference rate for such a currency"
