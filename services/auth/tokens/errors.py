"""What can be wrong with a request for a token."""

from typing import ClassVar

from libs.errors import MalformedBody, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """Deliberately the same for an unknown address, a wrong password and an inactive account."""

    code = "auth.invalid_credentials"
    title = "The e-mail address or the password is wrong"


class InvalidClient(Unauthenticated):
    """As with the ones below, `oauth` is what RFC 6749, 5.2 calls it."""

    code = "auth.invalid_client"
    title = "The service account or its secret is wrong"
    oauth: ClassVar[str] = "invalid_client"


class UnsupportedGrantType(MalformedBody):
    code = "auth.unsupported_grant_type"
    title = "The grant type is not supported"
    oauth: ClassVar[str] = "unsupported_grant_type"


class InvalidRequest(MalformedBody):
    code = "auth.invalid_request"
    title = "The request for a token lacks something, or holds what it may not"
    oauth: ClassVar[str] = "invalid_request"
