"""Access tokens, good and forged."""

import time
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm


class Key:
    """A key of an issuer."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private: EllipticCurvePrivateKey = generate_private_key(SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        """As it is published."""
        jwk = orjson.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}


KEY = Key("key-1")


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token; None takes one out."""
    now = int(time.time())
    good = {
        "iss": "throughline",
        "aud": "throughline",
        "sub": "user-1",
        "iat": now,
        "exp": now + 600,
        "jti": "1",
        "roles": ["customer"],
        "name": "Ada",
        "country": "DE",
        "rev": 3,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def sign(payload: dict[str, Any], key: Key = KEY, **header: Any) -> str:
    """A token, as the issuer would sign it; `header` changes its head, None takes a part out."""
    head = {"typ": "at+jwt", "kid": key.kid, **header}
    if head["kid"] is None:
        del head["kid"]
    return jwt.encode(payload, key.private, algorithm="ES256", headers=head)
