"""What the verifier of `libs.auth` makes of tokens that `auth` did not issue."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.errors import Unauthenticated
from services.auth.tokens.issuer import TokenIssuer
from services.auth.tokens.keys import SigningKey, SigningKeys
from tests.unit.auth.factories import opened_keys

SETTINGS = TokenSettings(issuer="throughline", audience="throughline")


@pytest.fixture
async def keys(tmp_path: Path) -> SigningKeys:
    return await opened_keys(tmp_path)


@pytest.fixture
def verifier(keys: SigningKeys) -> TokenVerifier:
    async def fetch() -> dict[str, Any]:
        return keys.published()

    return TokenVerifier(fetch, SETTINGS, refetch_s=0)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _claims(**change: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": "throughline",
        "aud": "throughline",
        "sub": "somebody",
        "iat": now,
        "exp": now + 600,
        "jti": "1",
        "roles": ["admin"],
    }
    return {name: value for name, value in {**whole, **change}.items() if value is not None}


def _signed(key: SigningKey, *, header: dict[str, Any] | None = None, **change: Any) -> str:
    headers = {"typ": "at+jwt", "kid": key.kid, **(header or {})}
    return jwt.encode(_claims(**change), key.private, algorithm="ES256", headers=headers)


def _unsigned(key: SigningKey) -> str:
    header = {"alg": "none", "typ": "at+jwt", "kid": key.kid}
    return f"{_b64(orjson.dumps(header))}.{_b64(orjson.dumps(_claims()))}."


def _symmetric(key: SigningKey, alg: str = "HS256") -> str:
    """Signed with the public key, taken for a secret."""
    header = {"alg": alg, "typ": "at+jwt", "kid": key.kid}
    public = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{_b64(orjson.dumps(header))}.{_b64(orjson.dumps(_claims()))}"
    return f"{text}.{_b64(hmac.digest(public, text.encode(), hashlib.sha256))}"


def _with_own_key(key: SigningKey) -> str:
    """Signed with another key, which the header brings along."""
    other = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    headers = {"typ": "at+jwt", "kid": key.kid, "jwk": jwk}
    return jwt.encode(_claims(), other, algorithm="ES256", headers=headers)


def _tampered(key: SigningKey) -> str:
    header, _, signature = _signed(key).split(".")
    return f"{header}.{_b64(orjson.dumps(_claims(sub='somebody else')))}.{signature}"


FORGERIES: dict[str, Callable[[SigningKey], str]] = {
    "nothing": lambda _: "",
    "no token": lambda _: "not-a-token",
    "not ASCII": lambda _: "ü.ü.ü",
    "alg none": _unsigned,
    "HS256 with the public key": _symmetric,
    "ES256 in the header, HS256 in truth": lambda key: _symmetric(key, "ES256"),
    "another key": _with_own_key,
    "unknown kid": lambda key: _signed(key, header={"kid": "unknown"}),
    "kid is a path": lambda key: _signed(key, header={"kid": "../../dev/null"}),
    "an ID token": lambda key: _signed(key, header={"typ": "JWT"}),
    "no type": lambda key: _signed(key, header={"typ": None}),
    "another audience": lambda key: _signed(key, aud="elsewhere"),
    "no audience": lambda key: _signed(key, aud=None),
    "another issuer": lambda key: _signed(key, iss="elsewhere"),
    "no issuer": lambda key: _signed(key, iss=None),
    "expired": lambda key: _signed(key, exp=int(time.time()) - 6),
    "never expires": lambda key: _signed(key, exp=None),
    "not valid yet": lambda key: _signed(key, nbf=int(time.time()) + 60),
    "issued in the future": lambda key: _signed(key, iat=int(time.time()) + 60),
    "no subject": lambda key: _signed(key, sub=None),
    "no id": lambda key: _signed(key, jti=None),
    "other claims": _tampered,
    "no signature": lambda key: _signed(key).rpartition(".")[0] + ".",
    "another signature": lambda key: _signed(key).rpartition(".")[0] + "." + _b64(b"x" * 64),
    "a signature of zeros": lambda key: _signed(key).rpartition(".")[0] + "." + _b64(bytes(64)),
    "huge": lambda key: _signed(key, name="x" * 4096),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_token_is_refused(
    keys: SigningKeys, verifier: TokenVerifier, forge: Callable[[SigningKey], str]
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(forge(keys.current))


async def test_a_genuine_one_is_accepted(keys: SigningKeys, verifier: TokenVerifier) -> None:
    assert (await verifier.verify(_signed(keys.current))).subject == "somebody"


async def test_one_that_was_accepted_expires_nevertheless(
    keys: SigningKeys, verifier: TokenVerifier
) -> None:
    now = time.time()
    issuer = TokenIssuer(keys, SETTINGS, lifetime_s=1, now=lambda: now - 5)
    token = issuer.issue("somebody", ("customer",)).text  # over for 4 s: within the leeway
    assert (await verifier.verify(token)).subject == "somebody"
    old = TokenIssuer(keys, SETTINGS, lifetime_s=1, now=lambda: now - 7)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(old.issue("somebody", ("customer",)).text)
