"""Rate limits of all routes: for each user, and for each address without one.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10:

    RateLimit-Policy: "principal";q=6000;w=60     the quota: q requests in w seconds
    RateLimit: "principal";r=5987;t=42            what is left: r requests, for t seconds

Who asks is known from the token if it was verified here before: a look into memory. A request with
another token is counted for its address, before anything is done for it, so that forged tokens are
limited as well. If the token proves to be good, the request is counted for its principal instead.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_network
from typing import Final, NamedTuple, Self

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import errors
from libs.auth.principal import SERVICE, Principal
from libs.auth.verifier import TokenVerifier
from libs.limits.limiter import Count, Limiter, Policy
from libs.limits.permits import Permits
from libs.web.address import parse
from libs.web.problems import problem

REFUSED: Final = Counter(
    "throughline_rate_limited_total", "Requests that were answered with 429", ["policy"]
)

EXEMPT: Final = ("/health", "/metrics", "/docs", "/openapi.json")
"""Asked by machines that look after the process, or no part of the interface."""

IPV6_PREFIX: Final = 64
"""The least that a network hands out: whoever has one address has all of them."""


class Limits(NamedTuple):
    """What is counted.

    Attributes:
        principals: users, by id.
        addresses: those who are nobody, by address.
        services: modules, by their service account.
    """

    principals: Limiter
    addresses: Limiter
    services: Limiter

    @classmethod
    def of(cls, quotas: Mapping[str, int], permits: Permits | None) -> Self:
        """Those with the quotas of `LimitSettings`, counted together with others or alone."""
        kinds = ("principal", "address", "service")
        return cls(*(Limiter(Policy(kind, quotas[kind]), permits) for kind in kinds))


class RateLimits:
    """Puts limits around an application.

    Args:
        app: the application.
        limits: counts.
        verifier: knows tokens.
    """

    def __init__(self, app: ASGIApp, limits: Limits, verifier: TokenVerifier) -> None:
        self._app = app
        self._limits = limits
        self._verifier = verifier
        self._told = {each: _told(each) for each in limits}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(EXEMPT):
            await self._app(scope, receive, send)
            return
        token = _token(scope["headers"])
        principal = None if token is None else self._verifier.known(token)
        limiter, count = self._counting(scope, principal)
        refused = False
        if count.used < count.granted:  # as nearly always: there is nothing to wait for
            limiter.charge(count)
        else:
            refused = not await limiter.take(count)

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                counting = limiter, count
                if principal is None and token is not None and not refused:
                    counting = self._instead(token, *counting)
                message["headers"] = [*message.get("headers", ()), *self._headers(*counting)]
            await send(message)

        if refused:
            await self._refuse(limiter, scope, receive, limited)
        else:
            await self._app(scope, receive, limited)

    def _counting(self, scope: Scope, principal: Principal | None) -> tuple[Limiter, Count]:
        """Where a request is counted."""
        if principal is None:
            limiter, key = self._limits.addresses, _key_of(scope.get("client"))
        else:
            is_service = principal.subject.startswith(SERVICE)
            limiter = self._limits.services if is_service else self._limits.principals
            key = principal.subject
        return limiter, limiter.count(key)

    def _instead(self, token: str, limiter: Limiter, count: Count) -> tuple[Limiter, Count]:
        """Where a request is counted in the end whose token was not known when it came."""
        principal = self._verifier.known(token)
        if principal is None:
            return limiter, count
        limiter.refund(count)
        limiter, count = self._counting({}, principal)
        limiter.charge(count)
        return limiter, count

    def _headers(self, limiter: Limiter, count: Count) -> tuple[tuple[bytes, bytes], ...]:
        policy, left = self._told[limiter]
        return policy, (b"ratelimit", left % (count.remaining, limiter.reset_in()))

    async def _refuse(self, limiter: Limiter, scope: Scope, receive: Receive, send: Send) -> None:
        policy = limiter.policy
        REFUSED.labels(policy.name).inc()
        error = errors.TooManyRequests(
            f"More than {policy.quota} requests in {policy.window_s} seconds",
            retry_after=limiter.reset_in(),
        )
        answer = problem(error, instance=scope["path"])
        await answer(scope, receive, send)


def _told(limiter: Limiter) -> tuple[tuple[bytes, bytes], bytes]:
    """The header of a policy, and the form of what is left, as structured fields (RFC 9651)."""
    policy = limiter.policy
    name = policy.name.encode()
    whole = b'"%b";q=%d;w=%d' % (name, policy.quota, policy.window_s)
    return (b"ratelimit-policy", whole), b'"%b";r=%%d;t=%%d' % name


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None
    return None


def _key_of(client: tuple[str, int] | None) -> str:
    """What stands for an address: itself, or its network in IPv6."""
    if client is None:
        return "unknown"
    text = client[0]
    if ":" not in text:
        return text
    address = parse(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return text if address is None else str(address)
