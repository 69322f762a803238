from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from libs.config import ConfigError
from services.auth.tokens.keys import SigningKey, SigningKeys
from tests.unit.auth.factories import KEY_VARIABLE, new_pem, opened_keys, pem


async def test_what_is_published_has_no_private_part(tmp_path: Path) -> None:
    keys = await opened_keys(tmp_path)
    (published,) = keys.published()["keys"]
    assert published.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (published["kty"], published["crv"], published["alg"]) == ("EC", "P-256", "ES256")
    assert published["kid"] == keys.current.kid


def test_a_key_has_the_same_name_everywhere() -> None:
    one, other = new_pem(), new_pem()
    assert SigningKey.from_pem(one).kid == SigningKey.from_pem(one).kid
    assert SigningKey.from_pem(one).kid != SigningKey.from_pem(other).kid
    assert len(SigningKey.from_pem(one).kid) == 43  # a SHA-256 in base64url


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        new_pem()[:-40],
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "text", "cut off", "RSA", "P-384", "Ed25519", "with a password"],
)
async def test_a_file_that_does_not_fit_ends_the_start(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE}: must be a P-256 private key"):
        await opened_keys(tmp_path, content or b"\n")


async def test_so_does_a_file_that_is_not_there(tmp_path: Path) -> None:
    keys = SigningKeys()
    keys.configure(tmp_path / "none.pem", variable=KEY_VARIABLE)
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE}: cannot be read"):
        await keys.open()


async def test_no_key_outlives_the_process_that_read_it(tmp_path: Path) -> None:
    keys = await opened_keys(tmp_path)
    await keys.close()
    with pytest.raises(RuntimeError):
        keys.published()


async def test_nobody_asked_for_keys() -> None:
    await SigningKeys().open()
