"""Only the issuer's tokens are believed."""

import asyncio
import base64
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import MAX_TOKEN_BYTES, TokenVerifier
from libs.errors import Unauthenticated, Unavailable
from tests.unit.web.tokens import KEY, Key, claims, sign


class Issuer:
    """Publishes keys, and counts who asks."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False

    async def fetch(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable
        return {"keys": [key.public for key in self.keys]}


def _verifier(issuer: Issuer | None = None, **how: Any) -> TokenVerifier:
    return TokenVerifier((issuer or Issuer(KEY)).fetch, TokenSettings(), **how)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def _tampered(**changes: Any) -> str:
    head, _, signature = sign(claims()).split(".")
    return f"{head}.{_part(claims(**changes))}.{signature}"


def _flipped(token: str, position: int) -> str:
    other = "A" if token[position] != "A" else "B"
    return token[:position] + other + token[position + 1 :]


def _with_public_key_as_secret() -> str:
    pem = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = {"alg": "HS256", "typ": "at+jwt", "kid": KEY.kid}
    signing = f"{_part(head)}.{_part(claims())}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(signing.encode(), pem)
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _unsigned(**head: Any) -> str:
    return f"{_part({'alg': 'none', 'typ': 'at+jwt', 'kid': KEY.kid, **head})}.{_part(claims())}."


def _rsa() -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(
        claims(), private, algorithm="RS256", headers={"typ": "at+jwt", "kid": KEY.kid}
    )


def _without(name: str) -> str:
    return sign(claims(**{name: None}))


FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "noise": lambda: "no.such.token",
    "not even text": lambda: "\xe9\U0001f600",
    "no signature": lambda: sign(claims()).rpartition(".")[0] + ".",
    "two parts": lambda: sign(claims()).rpartition(".")[0],
    "another signature": lambda: _flipped(sign(claims()), -10),
    "another subject": lambda: _tampered(sub="admin"),
    "another role": lambda: _tampered(roles=["admin"]),
    "a longer life": lambda: _tampered(exp=int(time.time()) + 9999),
    "no algorithm": _unsigned,
    "no algorithm, written otherwise": lambda: _unsigned(alg="NoNe"),
    "the public key as a secret": _with_public_key_as_secret,
    "another algorithm": _rsa,
    "another key under the same name": lambda: sign(claims(), Key("key-1")),
    "another key under its own name": lambda: sign(claims(), Key("key-2")),
    "a key that it brings along": lambda: sign(
        claims(), Key("key-1"), jwk=Key("key-1").public, jku="https://evil.example/keys"
    ),
    "no name of a key": lambda: sign(claims(), kid=None),
    "a name of a key that is no name": lambda: sign(claims(), kid="../../key-1"),
    "no type": lambda: sign(claims(), typ=None),
    "an identity token": lambda: sign(claims(), typ="JWT"),
    "another issuer": lambda: sign(claims(iss="elsewhere")),
    "another audience": lambda: sign(claims(aud="elsewhere")),
    "several other audiences": lambda: sign(claims(aud=["a", "b"])),
    "expired": lambda: sign(claims(exp=int(time.time()) - 6)),
    "not valid yet": lambda: sign(claims(nbf=int(time.time()) + 60)),
    "issued in the future": lambda: sign(claims(iat=int(time.time()) + 60)),
    "a subject that is no text": lambda: sign(claims(sub=["user-1"])),
    "too long": lambda: sign(claims(name="x" * MAX_TOKEN_BYTES)),
    **{
        f"without {name}": partial(_without, name)
        for name in ("iss", "aud", "sub", "iat", "exp", "jti")
    },
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_refused(forgery: str) -> None:
    verifier = _verifier()
    await verifier.verify(sign(claims()))  # what is remembered must not help
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(FORGED[forgery]())
    assert "eyJ" not in str(caught.value)


async def test_a_good_token_is_a_principal() -> None:
    payload = claims(roles=["customer", "support"])
    assert await _verifier().verify(sign(payload)) == Principal(
        subject="user-1",
        roles=("customer", "support"),
        name="Ada",
        country="DE",
        revision=3,
        expires_at=payload["exp"],
    )


async def test_a_service_has_no_name() -> None:
    payload = claims(sub="service:worker", roles=["service"], name=None, country=None, rev=None)
    principal = await _verifier().verify(sign(payload))
    assert (principal.subject, principal.name, principal.country) == ("service:worker", "", "")


class Later(datetime):
    """PyJWT's clock, when the token has expired."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=606)


async def test_a_token_that_expires_is_not_remembered_any_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verifier, token = _verifier(), sign(claims())
    assert await verifier.verify(token) is await verifier.verify(token)
    later = time.time() + 606
    monkeypatch.setattr("libs.auth.verifier.time.time", lambda: later)
    monkeypatch.setattr("jwt.api_jwt.datetime", Later)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(token)


async def test_no_more_tokens_are_remembered_than_said() -> None:
    verifier = _verifier(remember=2)
    tokens = [sign(claims(jti=str(n))) for n in range(3)]
    first = [await verifier.verify(token) for token in tokens]
    assert await verifier.verify(tokens[2]) is first[2]
    assert await verifier.verify(tokens[0]) is not first[0]


class TestKeys:
    """The issuer's keys are asked for when they are needed, and not more often."""

    async def test_once_for_many_tokens_at_once(self) -> None:
        issuer = Issuer(KEY)
        verifier = _verifier(issuer)
        assert issuer.asked == 0
        await asyncio.gather(*(verifier.verify(sign(claims(jti=str(n)))) for n in range(20)))
        assert issuer.asked == 1

    async def test_an_issuer_that_is_down_is_asked_again(self) -> None:
        issuer = Issuer(KEY)
        issuer.down = True
        verifier = _verifier(issuer)
        with pytest.raises(Unavailable):
            await verifier.verify(sign(claims()))
        issuer.down = False
        assert await verifier.verify(sign(claims()))

    async def test_a_new_key_is_found(self) -> None:
        new, issuer = Key("key-2"), Issuer(KEY)
        verifier = _verifier(issuer, refetch_s=0)
        await verifier.verify(sign(claims()))
        issuer.keys.append(new)
        assert await verifier.verify(sign(claims(), new))
        assert await verifier.verify(sign(claims()))
        assert issuer.asked == 2

    async def test_a_key_that_is_withdrawn_opens_nothing_any_more(self) -> None:
        new, issuer = Key("key-2"), Issuer(KEY)
        verifier, old = _verifier(issuer, refetch_s=0), sign(claims())
        await verifier.verify(old)
        issuer.keys = [new]
        await verifier.verify(sign(claims(), new))
        with pytest.raises(Unauthenticated):
            await verifier.verify(old)

    async def test_unknown_keys_do_not_make_us_ask_all_the_time(self) -> None:
        issuer = Issuer(KEY)
        verifier = _verifier(issuer, refetch_s=60)
        for n in range(20):
            with pytest.raises(Unauthenticated):
                await verifier.verify(sign(claims(), Key(f"made-up-{n}")))
        assert issuer.asked == 1
