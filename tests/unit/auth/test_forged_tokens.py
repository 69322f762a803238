"""What the verifier of `libs.auth` makes of tokens that `auth` did not issue."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.errors import Unauthenticated
from services.auth.keys.signing_key import SigningKey
from services.auth.tokens.issuer import TokenIssuer

SETTINGS = TokenSettings(issuer="throughline", audience="throughline")


_ES256 = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
ENDED = "01a00000-0000-7000-8000-000000000001"
LIVE = "01a00000-0000-7000-8000-000000000002"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.new()


@pytest.fixture
def verifier(key: SigningKey) -> TokenVerifier:
    async def fetch() -> dict[str, Any]:
        return {"keys": [key.public]}

    return TokenVerifier(fetch, SETTINGS, denied={ENDED}, refetch_s=0)


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
        "sid": LIVE,
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


def _tampered(key: SigningKey, **change: Any) -> str:
    """A genuine signature, of other claims."""
    header, _, signature = _signed(key).split(".")
    return f"{header}.{_b64(orjson.dumps(_claims(**change)))}.{signature}"


def _nested(key: SigningKey) -> str:
    """A genuine token as the content of another (RFC 7519, 5.2)."""
    header = {"alg": "ES256", "typ": "at+jwt", "cty": "JWT", "kid": key.kid}
    text = f"{_b64(orjson.dumps(header))}.{_b64(_signed(key).encode())}"
    signature = _ES256.sign(text.encode(), key.private)
    return f"{text}.{_b64(signature)}"


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
    "another subject": lambda key: _tampered(key, sub="somebody else"),
    "other roles": lambda key: _tampered(key, roles=["admin", "auditor"]),
    "another session": lambda key: _tampered(key, sid="01a00000-0000-7000-8000-000000000003"),
    "no session any more": lambda key: _tampered(key, sid=None),
    "a session that has ended": lambda key: _signed(key, sid=ENDED),
    "a session that is a number": lambda key: _signed(key, sid=1),
    "a session that is a list": lambda key: _signed(key, sid=[LIVE]),
    "roles in one text": lambda key: _signed(key, roles="admin"),
    "roles in an object": lambda key: _signed(key, roles={"admin": True}),
    "nested": _nested,
    "another curve": lambda key: jwt.encode(
        _claims(),
        ec.generate_private_key(ec.SECP384R1()),
        algorithm="ES384",
        headers={"typ": "at+jwt", "kid": key.kid},
    ),
    "no signature": lambda key: _signed(key).rpartition(".")[0] + ".",
    "another signature": lambda key: _signed(key).rpartition(".")[0] + "." + _b64(b"x" * 64),
    "a signature of zeros": lambda key: _signed(key).rpartition(".")[0] + "." + _b64(bytes(64)),
    "huge": lambda key: _signed(key, name="x" * 4096),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_token_is_refused(
    key: SigningKey, verifier: TokenVerifier, forge: Callable[[SigningKey], str]
) -> None:
    await verifier.verify(_signed(key))  # what is remembered must not help
    with pytest.raises(Unauthenticated):
        await verifier.verify(forge(key))


async def test_a_genuine_one_is_accepted(key: SigningKey, verifier: TokenVerifier) -> None:
    principal = await verifier.verify(_signed(key))
    assert (principal.subject, principal.session_id) == ("somebody", LIVE)


async def test_one_of_before_there_were_sessions_is_too(
    key: SigningKey, verifier: TokenVerifier
) -> None:
    assert (await verifier.verify(_signed(key, sid=None))).session_id is None


async def test_one_that_was_accepted_expires_nevertheless(
    key: SigningKey, verifier: TokenVerifier
) -> None:
    now = time.time()
    issuer = TokenIssuer(SETTINGS, lifetime_s=1, now=lambda: now - 5)
    token = issuer.issue(key, "somebody", ("customer",)).text  # over for 4 s: within the leeway
    assert (await verifier.verify(token)).subject == "somebody"
    old = TokenIssuer(SETTINGS, lifetime_s=1, now=lambda: now - 7)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(old.issue(key, "somebody", ("customer",)).text)
