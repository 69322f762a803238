"""What can be wrong with messages and the tokens in them."""

from libs.errors import InvalidInput, NotFound


class MessageNotFound(NotFound):
    """Also one that is too old to be sent, and one whose user is gone."""

    code = "messages.not_found"
    title = "There is no such message to be sent"


class InvalidMessageToken(InvalidInput):
    """Deliberately the same for one that is unknown, used, expired, or of an account that is
    gone."""

    code = "messages.invalid_token"
    title = "The token is not valid, or not any more: ask for another message"
