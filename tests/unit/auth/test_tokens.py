import hashlib
from copy import copy

import jwt
import pytest
from structlog.testing import capture_logs

from libs.auth.permissions import CLIENTS, ROLES, Permission
from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.context import RequestContext, current, use
from libs.contracts.auth import SessionStarted
from services.auth.keys.errors import NoSigningKey
from services.auth.keys.ring import KeyRing
from services.auth.sessions.clients import Client
from services.auth.sessions.errors import InvalidRefreshToken
from services.auth.tokens.errors import InvalidClient, InvalidCredentials, UnsupportedGrantType
from services.auth.users.models import User
from tests.unit.auth.factories import PASSWORD, KeyWorld, UserWorld, service_clients

SECRET = "a-long-random-secret"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()
CLIENTS_SET = {"worker": HASH}
LAPTOP = Client("Ada's laptop", "192.0.2.0/24")
EMAIL = "ada@example.com"


@pytest.fixture
async def ring() -> KeyRing:
    return await KeyWorld().with_key()


async def _verified(ring: KeyRing, token: str) -> Principal:
    return await TokenVerifier(ring.published, TokenSettings.model_validate({})).verify(token)


async def test_a_user_who_logs_in_gets_tokens(ring: KeyRing) -> None:
    world = UserWorld()
    user = await world.create()
    with use(RequestContext(context_id="test-context", service="auth")):
        tokens = await world.tokens(ring).log_in(EMAIL, PASSWORD, LAPTOP)
        (session,) = world.session_store.sessions.values()
        assert (current().actor, current().session_id) == (str(user.id), str(session.id))
        assert current().roles == ("customer",)
    principal = await _verified(ring, tokens.access.text)
    assert (principal.subject, principal.session_id) == (str(user.id), str(session.id))
    assert principal.roles == ("customer",)
    assert (principal.name, principal.country, principal.revision) == ("Ada Lovelace", "DE", 1)
    assert tokens.access.expires_in == 600
    assert (session.device_name, session.ip_prefix) == ("Ada's laptop", "192.0.2.0/24")
    assert world.events[-1] == SessionStarted(session_id=session.id, user_id=user.id)


async def test_tokens_do_not_show(ring: KeyRing) -> None:
    world = UserWorld()
    await world.create()
    tokens = await world.tokens(ring).log_in(EMAIL, PASSWORD, LAPTOP)
    assert tokens.access.text not in repr(tokens)
    assert tokens.refresh not in repr(tokens)


async def test_a_token_is_as_rfc_9068_has_it(ring: KeyRing) -> None:
    world = UserWorld()
    await world.create()
    service = world.tokens(ring)
    one, two = [(await service.log_in(EMAIL, PASSWORD, LAPTOP)).access for _ in range(2)]
    assert jwt.get_unverified_header(one.text) == {
        "alg": "ES256",
        "typ": "at+jwt",
        "kid": (await ring.signer()).kid,
    }
    claims, others = [
        jwt.decode(token.text, options={"verify_signature": False}) for token in (one, two)
    ]
    assert claims.keys() == {
        *("iss", "aud", "sub", "iat", "exp", "jti", "sid"),
        *("roles", "name", "country", "rev"),
    }
    assert claims["exp"] - claims["iat"] == 600
    assert claims["jti"] != others["jti"]
    assert claims["sid"] != others["sid"]


async def test_the_next_tokens_tell_what_is_true_now(ring: KeyRing) -> None:
    world = UserWorld()
    user = await world.create()
    service = world.tokens(ring)
    first = await service.log_in(EMAIL, PASSWORD, LAPTOP)
    await world.repository.update(user, {"roles": ["support"], "display_name": "Countess"})
    second = await service.refresh(first.refresh, LAPTOP, retry_key=None)
    before = await _verified(ring, first.access.text)
    after = await _verified(ring, second.access.text)
    assert (before.session_id, before.roles) == (after.session_id, ("customer",))
    assert (after.roles, after.name, after.revision) == (("support",), "Countess", 2)


@pytest.mark.parametrize("loss", [{"is_active": False}, None])
async def test_who_may_not_log_in_any_more_gets_no_next_tokens(
    ring: KeyRing, loss: dict[str, object] | None
) -> None:
    world = UserWorld()
    user = await world.create()
    service = world.tokens(ring)
    tokens = await service.log_in(EMAIL, PASSWORD, LAPTOP)
    await (world.repository.delete(user) if loss is None else world.repository.update(user, loss))
    with pytest.raises(InvalidRefreshToken):
        await service.refresh(tokens.refresh, LAPTOP, retry_key=None)


async def test_one_who_does_not_log_in_is_told_nothing_more(ring: KeyRing) -> None:
    world = UserWorld()
    await world.create()
    tokens = world.tokens(ring)
    with capture_logs() as lines:
        for email, password in [(EMAIL, "wrong"), ("eve@example.com", PASSWORD)]:
            with pytest.raises(InvalidCredentials):
                await tokens.log_in(email, password, LAPTOP)
    told = [line for line in lines if line["event"] == "auth.login_failed"]
    assert told == [{"event": "auth.login_failed", "log_level": "info"}] * 2
    assert world.session_store.sessions == {}


async def test_a_password_that_is_changed_meanwhile_begins_no_session(ring: KeyRing) -> None:
    world = UserWorld()
    user = await world.create()
    authenticate, changed = world.users.authenticate, await world.passwords.hash("another horse")

    async def and_changed(email: str, password: str) -> User | None:
        found = await authenticate(email, password)
        if found is not None:
            world.repository.users[user.id] = _with_hash(user, changed)
        return found

    world.users.authenticate = and_changed  # type: ignore[method-assign]
    with pytest.raises(InvalidCredentials):
        await world.tokens(ring).log_in(EMAIL, PASSWORD, LAPTOP)
    assert world.session_store.sessions == {}


def _with_hash(user: User, hashed: str) -> User:
    other = copy(user)
    other.hashed_password = hashed
    return other


async def test_a_hash_that_another_login_renews_meanwhile_does_no_harm(ring: KeyRing) -> None:
    world = UserWorld()
    user = await world.create()
    authenticate, calls = world.users.authenticate, 0

    async def and_renewed(email: str, password: str) -> User | None:
        nonlocal calls
        calls += 1
        found = await authenticate(email, password)
        if calls == 1:
            other = _with_hash(user, await world.passwords.hash(PASSWORD))
            world.repository.users[user.id] = other
        return found

    world.users.authenticate = and_renewed  # type: ignore[method-assign]
    assert await world.tokens(ring).log_in(EMAIL, PASSWORD, LAPTOP)
    assert calls == 2


async def test_without_a_key_nothing_is_begun_or_used_up(ring: KeyRing) -> None:
    world = UserWorld()
    await world.create()
    tokens = await world.tokens(ring).log_in(EMAIL, PASSWORD, LAPTOP)
    without = world.tokens(KeyWorld().ring(), CLIENTS_SET)
    for attempt in (
        without.log_in(EMAIL, PASSWORD, LAPTOP),
        without.refresh(tokens.refresh, LAPTOP, retry_key=None),
        without.for_client("client_credentials", "worker", SECRET),
    ):
        with pytest.raises(NoSigningKey):
            await attempt
    assert len(world.session_store.sessions) == 1
    assert await world.tokens(ring).refresh(tokens.refresh, LAPTOP, retry_key=None)


async def test_a_service_account_gets_a_token(ring: KeyRing) -> None:
    tokens = UserWorld().tokens(ring, CLIENTS_SET)
    token = await tokens.for_client("client_credentials", "worker", SECRET)
    principal = await _verified(ring, token.access.text)
    assert (principal.subject, principal.roles) == ("service:worker", ("service",))
    assert principal.session_id is None
    assert set(token.scope) == CLIENTS["worker"]


@pytest.mark.parametrize(
    ("client", "secret"), [("worker", "other"), ("worker", ""), ("api", SECRET), ("", "")]
)
async def test_and_nobody_else(ring: KeyRing, client: str, secret: str) -> None:
    with pytest.raises(InvalidClient):
        await UserWorld().tokens(ring, CLIENTS_SET).for_client("client_credentials", client, secret)


async def test_one_grant_is_known(ring: KeyRing) -> None:
    with pytest.raises(UnsupportedGrantType):
        await UserWorld().tokens(ring, CLIENTS_SET).for_client("password", "worker", SECRET)


async def test_a_secret_is_changed_without_a_gap(ring: KeyRing) -> None:
    both = service_clients({"worker": [HASH, hashlib.sha256(b"the next secret").hexdigest()]})
    tokens = UserWorld().tokens(ring)
    tokens._clients = both.hashes
    for secret in (SECRET, "the next secret"):
        assert await tokens.for_client("client_credentials", "worker", secret)
    with pytest.raises(InvalidClient):
        await tokens.for_client("client_credentials", "worker", "another one")


def test_a_service_may_do_what_its_module_and_its_role_may() -> None:
    worker = Principal(subject="service:worker", roles=("service",))
    stranger = Principal(subject="service:stranger", roles=("service",))
    disguised = Principal(subject="service:worker", roles=("auditor",))
    for permission in Permission:
        assert worker.may(permission) == (permission in CLIENTS["worker"] & ROLES["service"])
        assert not stranger.may(permission)
        assert disguised.may(permission) == (permission in CLIENTS["worker"] & ROLES["auditor"])
    assert all(granted <= ROLES["service"] for granted in CLIENTS.values())
