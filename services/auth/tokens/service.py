"""Who gets a token."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from libs.context import amend
from libs.logging import get_logger
from services.auth.tokens.errors import InvalidClient, InvalidCredentials, UnsupportedGrantType
from services.auth.tokens.issuer import AccessToken, TokenIssuer
from services.auth.tokens.keys import SigningKeys
from services.auth.users.service import UserService

log = get_logger()

_NOBODY = "0" * 64
"""Compared with where there is no such client, so that it takes as long."""


class TokenService:
    """The use cases.

    Args:
        users: knows who has which password.
        issuer: signs.
        keys: that it signs with.
        clients: the SHA-256 of each service account's secret, in hex.
    """

    def __init__(
        self,
        users: UserService,
        issuer: TokenIssuer,
        keys: SigningKeys,
        clients: Mapping[str, str],
    ) -> None:
        self._users = users
        self._issuer = issuer
        self._keys = keys
        self._clients = clients

    async def log_in(self, email: str, password: str) -> AccessToken:
        """A token for a user; the address must be normalised.

        Raises:
            InvalidCredentials: no active user has these.
        """
        user = await self._users.authenticate(email, password)
        if user is None:
            log.info("auth.login_failed")
            raise InvalidCredentials
        amend(actor=str(user.id))
        log.info("auth.logged_in", userId=str(user.id))
        return self._issuer.issue(
            str(user.id),
            user.roles,
            name=user.display_name,
            country=user.country,
            revision=user.version,
        )

    async def for_client(self, grant_type: str, client_id: str, secret: str) -> AccessToken:
        """A token for a module's service account.

        Raises:
            UnsupportedGrantType: another grant than `client_credentials`.
            InvalidClient: no such account, or another secret.
        """
        if grant_type != "client_credentials":
            raise UnsupportedGrantType("Only client_credentials is supported")
        given = hashlib.sha256(secret.encode()).hexdigest()
        if not hmac.compare_digest(given, self._clients.get(client_id, _NOBODY)):
            log.info("auth.client_failed")
            raise InvalidClient
        subject = f"service:{client_id}"
        amend(actor=subject)
        log.info("auth.client_granted")
        return self._issuer.issue(subject, ("service",))

    def keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that tokens are verified with."""
        return self._keys.published()
