"""A key that access tokens are signed with."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from libs.auth.verifier import ALGORITHM
from services.auth.keys.errors import InvalidKey


@dataclass(frozen=True)
class SigningKey:
    """A P-256 key pair.

    Attributes:
        private: for signing.
        public: as a JSON Web Key (RFC 7517).
        kid: its thumbprint (RFC 7638): the same key has the same name everywhere.
    """

    private: EllipticCurvePrivateKey = field(repr=False)
    public: dict[str, Any]
    kid: str

    @classmethod
    def new(cls) -> "SigningKey":
        """A key that nobody has had before."""
        return cls._of(generate_private_key(SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """The key in `pem`.

        Raises:
            InvalidKey: there is none that fits.
        """
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None  # the error's text may hold a part of the key
        if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(
            private.curve, SECP256R1
        ):
            raise InvalidKey
        return cls._of(private)

    @classmethod
    def from_der(cls, der: bytes) -> "SigningKey":
        """The key that `to_der` has written."""
        private = load_der_private_key(der, password=None)
        assert isinstance(private, EllipticCurvePrivateKey)  # noqa: S101 (nobody else writes any)
        return cls._of(private)

    def to_der(self) -> bytes:
        """The private half in PKCS #8, not encrypted."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def _of(cls, private: EllipticCurvePrivateKey) -> "SigningKey":
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        parts = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
        kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return cls(private, {**parts, "kid": kid, "use": "sig", "alg": ALGORITHM}, kid)
