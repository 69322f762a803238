"""What users say to prove who they are, and to choose another password."""

from typing import Annotated

from pydantic import Field, SecretStr

from libs.schema import Schema
from services.auth.users.schemas import PASSWORD_MAX, Email, Password

MessageToken = Annotated[
    SecretStr,
    Field(min_length=1, max_length=128, description="from the message"),
]


class PasswordChange(Schema):
    """Another password."""

    current_password: Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MAX)]
    new_password: Password


class Address(Schema):
    """Where to send a message."""

    email: Email


class Confirmation(Schema):
    """A token from a message."""

    token: MessageToken


class PasswordReset(Schema):
    """A token from a message, and the password that it is for."""

    token: MessageToken
    new_password: Password
