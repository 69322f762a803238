"""What can be wrong with a question about holidays."""

from libs.errors import NotFound


class UnknownCountry(NotFound):
    code = "holidays.unknown_country"
    title = "The public holidays of such a country are not known"
