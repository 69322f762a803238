"""What can be wrong with a request for a token."""

from libs.errors import InvalidInput, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """Deliberately the same for an unknown address, a wrong password and an inactive account."""

    code = "auth.invalid_credentials"
    title = "The e-mail address or the password is wrong"


class InvalidClient(Unauthenticated):
    """RFC 6749, 5.2: `invalid_client`."""

    code = "auth.invalid_client"
    title = "The service account or its secret is wrong"


class UnsupportedGrantType(InvalidInput):
    """RFC 6749, 5.2: `unsupported_grant_type`."""

    code = "auth.unsupported_grant_type"
    title = "The grant type is not supported"
