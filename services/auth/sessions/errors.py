"""What can be wrong with sessions and refresh tokens."""

from libs.errors import Conflict, NotFound, Unauthenticated


class InvalidRefreshToken(Unauthenticated):
    """Deliberately the same for one that is unknown, expired, used before, or of a session that is
    over."""

    code = "auth.invalid_refresh_token"
    title = "The refresh token is not valid: log in again"


class RefreshSuperseded(Conflict):
    """A second use a moment after the first: most likely the client's own. It has, or gets, the
    answer to the first one; nothing is lost."""

    code = "auth.refresh_superseded"
    title = "The refresh token was used a moment ago"


class SessionNotFound(NotFound):
    code = "sessions.not_found"
    title = "There is no such session"
