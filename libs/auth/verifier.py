"""Verifying access tokens: ES256 JSON Web Tokens (RFC 9068), by the issuer's published keys."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any

import jwt
from jwt import PyJWK

from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.errors import Unauthenticated

ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 (a media type, RFC 9068 section 2.1)
LEEWAY_S = 5
MAX_TOKEN_BYTES = 4096


FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives the JSON Web Key Set: `{"keys": [...]}`."""


class TokenVerifier:
    """Turns a token into a principal.

    Keys are fetched when the first token comes, and again when one names a key that is not known
    (at most every `refetch_s` seconds): the issuer need not be there when this process starts, and
    a new key needs no restart. From then on `refresh` looks for new keys before they are used, and
    for keys that were withdrawn. Verified tokens are remembered until they expire, because checking
    a signature costs more than all the rest of a cached answer; whether the session has ended is
    looked up each time.

    Args:
        denied: ids of the sessions that have ended; see `libs.auth.deny_list`.
        remember: how many tokens at most.
    """

    def __init__(
        self,
        fetch_keys: FetchKeys,
        settings: TokenSettings,
        *,
        denied: Container[str | None] = frozenset(),
        remember: int = 10_000,
        refetch_s: float = 5.0,
    ) -> None:
        self._fetch_keys = fetch_keys
        self._settings = settings
        self._denied = denied
        self._remember = remember
        self._refetch_s = refetch_s
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._known: OrderedDict[bytes, Principal] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal that `token` was issued to.

        Raises:
            Unauthenticated: the token is not valid.
            Unavailable: the issuer's keys cannot be had.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated("The access token is not valid")
        digest = hashlib.sha256(token.encode()).digest()
        principal = self._known.get(digest)
        if principal is None or principal.expires_at <= time.time():
            principal = self._principal(token, await self._key_for(token))
            self._known[digest] = principal
            if len(self._known) > self._remember:
                self._known.popitem(last=False)
        if principal.session_id in self._denied:
            raise Unauthenticated("The session has ended")
        return principal

    def known(self, token: str) -> Principal | None:
        """The principal of a token that was verified before and is still good; None: it is another.

        Only a look into the memory: for what has to be cheap, and need not know in all cases.
        """
        if len(token) > MAX_TOKEN_BYTES:
            return None
        principal = self._known.get(hashlib.sha256(token.encode()).digest())
        if principal is None or principal.expires_at <= time.time():
            return None
        return None if principal.session_id in self._denied else principal

    async def refresh(self) -> None:
        """Look for changes of the keys, if they have ever been needed.

        Raises:
            Unavailable: they cannot be had. Those that are known stay.
        """
        if self._keys:
            async with self._fetching:
                await self._fetch()

    async def _key_for(self, token: str) -> PyJWK:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The access token is not valid") from error
        if header.get("alg") != ALGORITHM or header.get("typ") != TOKEN_TYPE:
            raise Unauthenticated("The access token is not valid")
        kid = str(header.get("kid"))
        if kid not in self._keys:
            await self._find(kid)
        if kid not in self._keys:
            raise Unauthenticated("The access token is signed with a key that is not known")
        return self._keys[kid]

    async def _find(self, kid: str) -> None:
        async with self._fetching:
            if kid in self._keys or time.monotonic() - self._fetched_at < self._refetch_s:
                return
            await self._fetch()

    async def _fetch(self) -> None:
        published = await self._fetch_keys()
        self._fetched_at = time.monotonic()
        keys = {str(key["kid"]): PyJWK(key, ALGORITHM) for key in published["keys"]}
        if keys.keys() != self._keys.keys():
            self._known.clear()
        self._keys = keys

    def _principal(self, token: str, key: PyJWK) -> Principal:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["iss", "aud", "sub", "iat", "exp", "jti"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The access token has expired") from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The access token is not valid") from error
        session, roles = claims.get("sid"), claims.get("roles", [])
        if not (isinstance(session, str | None) and isinstance(roles, list)):
            raise Unauthenticated("The access token is not valid")
        return Principal(
            subject=str(claims["sub"]),
            session_id=session,
            roles=tuple(map(str, roles)),
            name=str(claims.get("name", "")),
            country=str(claims.get("country", "")),
            revision=int(claims.get("rev", 0)),
            expires_at=int(claims["exp"]),
        )
