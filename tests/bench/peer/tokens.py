"""Tokens of ours for the driver's: its tokens lack the claims and the type that ours have.

Each is exchanged (as in RFC 8693), once and if it is good; the result is remembered. Ours is then
checked by `api` on every request, as in production. The issuer is in another process, as the module
`auth` would be: `servers.py`.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm
from pydantic import BaseModel

from libs.auth.settings import TokenSettings
from libs.auth.verifier import ALGORITHM, TOKEN_TYPE
from libs.ids import uuid7_text

KID: Final = "bench"
LIFETIME_S: Final = 86_400
SCHEME: Final = "Bearer "


class Issued(BaseModel):
    """What the issuer has made.

    Attributes:
        key_set: its public key, as the module `auth` would publish it.
        tokens: by the user's id.
    """

    key_set: dict[str, Any]
    tokens: dict[str, str]


def issue(subjects: Iterable[str]) -> Issued:
    """Tokens for these customers, signed with a new key."""
    private = generate_private_key(SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    headers = {"typ": TOKEN_TYPE, "kid": KID}
    tokens = {each: jwt.encode(_claims(each), private, ALGORITHM, headers) for each in subjects}
    return Issued(
        key_set={"keys": [{**jwk, "kid": KID, "use": "sig", "alg": ALGORITHM}]}, tokens=tokens
    )


def _claims(subject: str) -> dict[str, Any]:
    settings, now = TokenSettings(), int(time.time())
    return {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": subject,
        "iat": now,
        "exp": now + LIFETIME_S,
        "jti": uuid7_text(),
        "roles": ["customer"],
        "name": "A customer",
        "country": "DE",
        "rev": 1,
    }


class TokenExchange:
    """Gives our tokens for foreign ones.

    Args:
        environ: the driver's: its public key, and what `iss` and `aud` must be.
        issued: our tokens.
    """

    def __init__(self, environ: Mapping[str, str], issued: Issued) -> None:
        self._foreign_key = environ["JWT_PUBLIC_KEY"]
        self._foreign_issuer = environ["JWT_ISSUER"]
        self._foreign_audience = environ["JWT_AUDIENCE"]
        self._headers = {each: _header(token) for each, token in issued.tokens.items()}
        self._known: dict[bytes, bytes] = {}
        self.key_set: Final = orjson.dumps(issued.key_set)

    @property
    def headers(self) -> Iterable[bytes]:
        """The header's values with our tokens."""
        return self._headers.values()

    def exchanged(self, authorization: bytes) -> bytes:
        """The header's value with our token; unchanged if the foreign one is not good."""
        known = self._known.get(authorization)
        if known is not None:
            return known
        try:
            claims: dict[str, Any] = jwt.decode(
                authorization.decode().removeprefix(SCHEME),
                self._foreign_key,
                algorithms=[ALGORITHM],
                audience=self._foreign_audience,
                issuer=self._foreign_issuer,
            )
            self._known[authorization] = self._headers[claims["sub"]]
        except (jwt.InvalidTokenError, KeyError):
            return authorization
        return self._known[authorization]


def _header(token: str) -> bytes:
    return f"{SCHEME}{token}".encode()
