import base64
import hmac

import pytest

from libs.db.bootstrap import quote_ident, quote_literal, scram_verifier

# The example of RFC 7677, section 3.
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
AUTH_MESSAGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO"
    ",r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    ",c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_verifier_is_that_of_the_rfc() -> None:
    verifier = scram_verifier("pencil", salt=base64.b64decode(SALT))
    head, salt, keys = verifier.split("$")[0], *verifier.split("$")[1:]
    assert head == "SCRAM-SHA-256"
    assert salt == f"4096:{SALT}"
    server_key = base64.b64decode(keys.split(":")[1])
    signature = hmac.digest(server_key, AUTH_MESSAGE.encode(), "sha256")
    assert base64.b64encode(signature).decode() == SERVER_SIGNATURE


def test_each_verifier_has_its_own_salt() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


@pytest.mark.parametrize("password", ["", "naïve-hunter2", "hunter2\n"])
def test_a_password_that_might_be_normalised_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as refused:
        scram_verifier(password)
    assert "hunter2" not in str(refused.value)


def test_quoting() -> None:
    assert quote_ident('a"b') == '"a""b"'
    assert quote_literal("it's") == "'it''s'"
    with pytest.raises(ValueError, match="has no place"):
        quote_literal("\\")
