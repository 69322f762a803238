"""Refresh tokens: opaque, 256 random bits. What is stored of one is of no use to whoever reads it.

A used token keeps its successor for a few seconds, encrypted with a key that follows from the token
itself. So a client that has lost the answer to its request gets the same one again, and who has the
database but not the token gets nothing.
"""

import hashlib
import os
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_BYTES: Final = 32
_NONCE: Final = 12
_PURPOSE: Final = b"throughline/auth/successor"


def new_token() -> str:
    """A refresh token: 43 characters."""
    return secrets.token_urlsafe(_BYTES)


def digest(text: str) -> bytes:
    """What is stored of a token, or of a key. Both are random: a plain hash is enough."""
    return hashlib.sha256(text.encode()).digest()


def seal(successor: str, token: str) -> bytes:
    """`successor`, for who has `token` alone."""
    nonce = os.urandom(_NONCE)
    return nonce + _cipher(token).encrypt(nonce, successor.encode(), None)


def unseal(sealed: bytes, token: str) -> str | None:
    """What `seal` was given; None: with another token."""
    try:
        return _cipher(token).decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
    except InvalidTag:
        return None


def _cipher(token: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(token.encode()))
