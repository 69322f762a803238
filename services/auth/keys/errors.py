"""What can be wrong with signing keys."""

from libs.errors import Conflict, InvalidInput, NotFound, Unavailable


class NoSigningKey(Unavailable):
    code = "keys.no_signing_key"
    title = "There is no key to sign tokens with: make one with `throughline keys rotate`"


class WrongKeySecret(Unavailable):
    code = "keys.wrong_secret"
    title = (
        "The signing key cannot be decrypted: THROUGHLINE_AUTH_KEY_SECRET is not the secret that it"
        " was encrypted with"
    )


class UnknownKey(NotFound):
    code = "keys.unknown"
    title = "There is no such signing key"


class KeyPending(Conflict):
    code = "keys.pending"
    title = "A new key is published already, and about to sign"


class KeyInUse(Conflict):
    code = "keys.in_use"
    title = "The key is in use"


class KeyKnown(Conflict):
    code = "keys.known"
    title = "The key is there already"


class InvalidKey(InvalidInput):
    code = "keys.invalid"
    title = "The file must hold a P-256 private key in PEM, without a password"
