from typing import Any

import pytest
from pydantic import ValidationError

from libs.web.problems import field_errors
from services.auth.tokens.schemas import Login
from services.auth.users.schemas import SignUp, normalise_email

VALID = {"email": "ada@example.com", "password": "correct horse", "displayName": "Ada"}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada@EXAMPLE.com ", "ada@example.com"),
        ("ADA+x@Example.COM", "ada+x@example.com"),
        ("\uff41da@example.com", "ada@example.com"),  # full-width a
        ("ada@xn--mnchen-3ya.example", "ada@münchen.example"),
        ("ada@MÜNCHEN.example", "ada@münchen.example"),
    ],
)
def test_an_address_has_one_form(given: str, stored: str) -> None:
    assert SignUp.model_validate({**VALID, "email": given}).email == stored
    assert Login.model_validate({"email": given, "password": "x"}).email == stored
    assert normalise_email(stored) == stored


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "ada"}, "/email"),
        ({"email": None}, "/email"),
        ({"email": "a\x00da@example.com"}, "/email"),
        ({"email": "a\ufe6bb@example.com"}, "/email"),  # becomes a second @
        ({"email": "a" * 250 + "@example.com"}, "/email"),
        ({"password": "1234567"}, "/password"),
        ({"password": "x" * 129}, "/password"),
        ({"displayName": "  "}, "/displayName"),
        ({"displayName": "x" * 101}, "/displayName"),
        ({"displayName": "Ada\x00"}, "/displayName"),
        ({"displayName": "A\nda"}, "/displayName"),
        ({"country": "Germany"}, "/country"),
        ({"country": "de"}, "/country"),
        ({"roles": ["admin"]}, "/roles"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_not_repeated(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SignUp.model_validate({**VALID, **change})
    mistakes = field_errors(caught.value.errors())
    assert [m.pointer for m in mistakes] == [pointer]


@pytest.mark.parametrize("password", ["12345678", "x" * 128, "pässwörd", "🔑" * 8])
def test_length_is_counted_in_characters(password: str) -> None:
    SignUp.model_validate({**VALID, "password": password})


def test_a_password_does_not_show() -> None:
    body = SignUp.model_validate(VALID)
    assert VALID["password"] not in f"{body!r} {body.to_new_user()!r} {body.to_json()!r}"
