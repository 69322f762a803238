"""Issuing access tokens (RFC 9068)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jwt

from libs.auth.settings import TokenSettings
from libs.auth.verifier import ALGORITHM, TOKEN_TYPE
from libs.ids import uuid7
from services.auth.tokens.keys import SigningKeys


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token.

    Attributes:
        text: the token itself.
        expires_in: seconds that it is valid.
    """

    text: str = field(repr=False)
    expires_in: int


class TokenIssuer:
    """Signs access tokens.

    Args:
        keys: to sign with.
        settings: what verifiers expect.
        lifetime_s: of a token.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        keys: SigningKeys,
        settings: TokenSettings,
        *,
        lifetime_s: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._lifetime_s = lifetime_s
        self._now = now

    def issue(
        self,
        subject: str,
        roles: Sequence[str],
        *,
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
        key = self._keys.current
        headers = {"typ": TOKEN_TYPE, "kid": key.kid}
        text = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)
        return AccessToken(text, self._lifetime_s)
