"""Encrypting what is stored and must not be read in the database alone."""

import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.auth.keys.errors import WrongKeySecret

_FORM: Final = b"\x01"
_NONCE: Final = 12
_PURPOSE: Final = b"throughline/auth/signing-keys"


class Sealer:
    """AES-256-GCM under keys that are derived (HKDF) from secrets of the environment.

    Args:
        secrets: what is sealed, is with the first; what is opened may be with any.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(_derived(secret)) for secret in secrets]

    def seal(self, plain: bytes, name: str) -> bytes:
        """Encrypt `plain`, which can then only be opened under its name."""
        nonce = os.urandom(_NONCE)
        return _FORM + nonce + self._ciphers[0].encrypt(nonce, plain, name.encode())

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under this name.

        Raises:
            WrongKeySecret: with none of these secrets; or it is damaged.
        """
        nonce, encrypted = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, encrypted, name.encode())
            except (InvalidTag, ValueError):
                continue
        raise WrongKeySecret


def _derived(secret: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret)
