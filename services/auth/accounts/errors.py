"""What can be wrong with changes of one's own account."""

from libs.errors import InvalidInput


class WrongPassword(InvalidInput):
    code = "accounts.wrong_password"
    title = "The current password is another one"
