"""What is wrong with an attempt to log in that comes too soon."""

from libs.errors import TooManyRequests


class TooManyAttempts(TooManyRequests):
    """Deliberately the same whether there is such an account or not."""

    code = "auth.too_many_attempts"
    title = "There were too many failed attempts to log in"
