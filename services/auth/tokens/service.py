"""Who gets a token."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from libs.auth.permissions import CLIENTS
from libs.auth.principal import SERVICE
from libs.context import amend
from libs.logging import get_logger
from services.auth.keys.ring import KeyRing
from services.auth.keys.signing_key import SigningKey
from services.auth.sessions.clients import Client
from services.auth.sessions.service import Going, Sessions
from services.auth.throttling.ports import Throttle, unthrottled
from services.auth.tokens.errors import InvalidClient, InvalidCredentials, UnsupportedGrantType
from services.auth.tokens.issuer import ClientToken, TokenIssuer, UserTokens
from services.auth.users.service import UserService

log = get_logger()

_NOBODY: Final = ("0" * 64,)
"""Compared with where there is no such client, so that it takes as long."""

_ATTEMPTS: Final = 2
"""Another login of the same user may have replaced the hash by one of the same password."""


class TokenService:
    """The use cases.

    Args:
        users: knows who has which password.
        sessions: what users' tokens belong to.
        keys: to sign with.
        issuer: signs.
        clients: the SHA-256 of the secrets that each service account may show, in hex.
        throttle: around each attempt of a user to log in.
    """

    def __init__(
        self,
        users: UserService,
        sessions: Sessions,
        keys: KeyRing,
        issuer: TokenIssuer,
        clients: Mapping[str, Sequence[str]],
        *,
        throttle: Throttle = unthrottled,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._keys = keys
        self._issuer = issuer
        self._clients = clients
        self._throttle = throttle

    async def log_in(self, email: str, password: str, client: Client) -> UserTokens:
        """Begin a session; the address must be normalised.

        Raises:
            InvalidCredentials: no active user has these.
            TooManyAttempts: too many have failed before, from the same part of the network.
        """
        key = await self._keys.signer()  # nothing is begun that cannot be completed
        async with self._throttle(email, client.ip_prefix):
            return self._tokens(key, await self._begin(email, password, client))

    async def _begin(self, email: str, password: str, client: Client) -> Going:
        for _ in range(_ATTEMPTS):
            user = await self._users.authenticate(email, password)
            if user is None:
                break
            going = await self._sessions.begin(user.id, user.hashed_password, client)
            if going is not None:
                log.info("auth.logged_in")
                return going
        log.info("auth.login_failed")
        raise InvalidCredentials

    async def refresh(self, token: str, client: Client, *, retry_key: str | None) -> UserTokens:
        """Go on with a session.

        Args:
            retry_key: the Idempotency-Key of the request.

        Raises:
            InvalidRefreshToken, RefreshSuperseded: see `Sessions.prolong`.
        """
        key = await self._keys.signer()
        return self._tokens(key, await self._sessions.prolong(token, client, retry_key))

    async def for_client(self, grant_type: str, client_id: str, secret: str) -> ClientToken:
        """A token for a module's service account.

        Raises:
            UnsupportedGrantType: another grant than `client_credentials`.
            InvalidClient: no such account, or another secret.
        """
        if grant_type != "client_credentials":
            raise UnsupportedGrantType("Only client_credentials is supported")
        given = hashlib.sha256(secret.encode()).hexdigest()
        known = self._clients.get(client_id, _NOBODY)
        if not sum(hmac.compare_digest(given, each) for each in known):  # all are looked at
            log.info("auth.client_failed")
            raise InvalidClient
        subject, roles = f"{SERVICE}{client_id}", ("service",)
        amend(actor=subject, roles=roles)
        access = self._issuer.issue(await self._keys.signer(), subject, roles)
        log.info("auth.client_granted")
        return ClientToken(access, sorted(CLIENTS[client_id]))

    def _tokens(self, key: SigningKey, going: Going) -> UserTokens:
        holder = going.holder
        access = self._issuer.issue(
            key,
            str(holder.id),
            holder.roles,
            session_id=str(going.session_id),
            name=holder.display_name,
            country=holder.country,
            revision=holder.revision,
        )
        return UserTokens(access, going.refresh_token)
