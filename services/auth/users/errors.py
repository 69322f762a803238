"""What can be wrong with users."""

from libs.errors import Conflict, InvalidInput, Unauthenticated


class EmailTaken(Conflict):
    """Tells a stranger that an address has an account: the price of signing up without a mail."""

    code = "users.email_taken"
    title = "There is an account with this e-mail address"


class InvalidPassword(InvalidInput):
    code = "users.invalid_password"
    title = "The password does not follow the rules"


class AccountGone(Unauthenticated):
    code = "users.account_gone"
    title = "The account does not exist any more, or is not active"
