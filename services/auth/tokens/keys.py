"""The key that access tokens are signed with, and what is published of it."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from libs.auth.verifier import ALGORITHM
from libs.config import ConfigError, Problem


@dataclass(frozen=True)
class SigningKey:
    """A P-256 key pair.

    Attributes:
        private: for signing.
        public: as a JSON Web Key (RFC 7517).
        kid: its thumbprint (RFC 7638): the same key has the same name in every process.
    """

    private: EllipticCurvePrivateKey
    public: dict[str, Any]
    kid: str

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """The key in `pem`.

        Raises:
            ValueError: there is none that fits.
        """
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None  # the error's text may hold a part of the key
        if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(
            private.curve, SECP256R1
        ):
            raise ValueError("must be a P-256 private key in PEM, without a password")  # noqa: TRY004
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        parts = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
        kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return cls(private, {**parts, "kid": kid, "use": "sig", "alg": ALGORITHM}, kid)


class SigningKeys:
    """The process' signing keys: read when it starts, so that a wrong file ends it then."""

    def __init__(self) -> None:
        self._file: tuple[Path, str] | None = None
        self._current: SigningKey | None = None

    def configure(self, file: Path, *, variable: str) -> None:
        """Say where the key is.

        Args:
            file: in PEM.
            variable: the setting that names it, for the message if it cannot be read.
        """
        self._file = (file, variable)

    async def open(self) -> None:
        """Read the key.

        Raises:
            ConfigError: it cannot be read, or does not fit.
        """
        if self._file is None:
            return
        file, variable = self._file
        try:
            # At start-up, before anything is served: nobody waits for the event loop.
            self._current = SigningKey.from_pem(file.read_bytes())
        except OSError as error:
            raise ConfigError([Problem(variable, f"cannot be read: {error.strerror}")]) from error
        except ValueError as error:
            raise ConfigError([Problem(variable, str(error))]) from error

    async def close(self) -> None:
        """Forget the key."""
        self._current = None

    @property
    def current(self) -> SigningKey:
        """The key that tokens are signed with now."""
        if self._current is None:
            raise RuntimeError("the signing keys are not open")
        return self._current

    def published(self) -> dict[str, Any]:
        """The JSON Web Key Set that verifiers need."""
        return {"keys": [self.current.public]}
