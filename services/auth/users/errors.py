"""What can be wrong with users."""

from libs.errors import Conflict, InvalidInput, NotFound, Unauthenticated


class EmailTaken(Conflict):
    """For administrators, who may know. A stranger who signs up is told the same as ever."""

    code = "users.email_taken"
    title = "There is an account with this e-mail address"


class UserNotFound(NotFound):
    code = "users.not_found"
    title = "There is no such user"


class InvalidPassword(InvalidInput):
    code = "users.invalid_password"
    title = "The password does not follow the rules"


class AccountGone(Unauthenticated):
    code = "users.account_gone"
    title = "The account does not exist any more, or is not active"
