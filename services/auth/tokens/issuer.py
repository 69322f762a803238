"""Issuing access tokens (RFC 9068)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jwt

from libs.auth.settings import TokenSettings
from libs.auth.verifier import ALGORITHM, TOKEN_TYPE
from libs.ids import uuid7
from services.auth.keys.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token.

    Attributes:
        text: the token itself.
        expires_in: seconds that it is valid.
    """

    text: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class UserTokens:
    """What a user gets.

    Attributes:
        refresh: the refresh token.
    """

    access: AccessToken
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientToken:
    """What a module's service account gets.

    Attributes:
        scope: what it may do with it.
    """

    access: AccessToken
    scope: Sequence[str]


class TokenIssuer:
    """Signs access tokens.

    Args:
        settings: what verifiers expect.
        lifetime_s: of a token.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        settings: TokenSettings,
        *,
        lifetime_s: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._lifetime_s = lifetime_s
        self._now = now

    def issue(
        self,
        key: SigningKey,
        subject: str,
        roles: Sequence[str],
        *,
        session_id: str | None = None,
        name: str = "",
        country: str = "",
        revision: int = 0,
    ) -> AccessToken:
        """A token for `subject`; see `libs.auth.principal.Principal` for what it says."""
        issued_at = int(self._now())
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": subject,
            "iat": issued_at,
            "exp": issued_at + self._lifetime_s,
            "jti": str(uuid7()),
            "roles": list(roles),
            "name": name,
            "country": country,
            "rev": revision,
        }
        if session_id is not None:
            claims["sid"] = session_id
        headers = {"typ": TOKEN_TYPE, "kid": key.kid}
        text = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)
        return AccessToken(text, self._lifetime_s)
