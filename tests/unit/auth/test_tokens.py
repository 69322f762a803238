import hashlib
from pathlib import Path

import jwt
import pytest
from structlog.testing import capture_logs

from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.context import RequestContext, current, use
from services.auth.tokens.errors import InvalidClient, InvalidCredentials, UnsupportedGrantType
from services.auth.tokens.keys import SigningKeys
from tests.unit.auth.factories import PASSWORD, UserWorld, new_user, opened_keys

SECRET = "a-long-random-secret"
CLIENTS = {"worker": hashlib.sha256(SECRET.encode()).hexdigest()}


@pytest.fixture
async def keys(tmp_path: Path) -> SigningKeys:
    return await opened_keys(tmp_path)


async def _verified(keys: SigningKeys, token: str) -> Principal:
    async def fetch() -> dict[str, object]:
        return keys.published()

    return await TokenVerifier(fetch, TokenSettings.model_validate({})).verify(token)


async def test_a_user_who_logs_in_gets_a_token(keys: SigningKeys) -> None:
    world = UserWorld()
    user = await world.users.sign_up(new_user())
    with use(RequestContext(context_id="test-context", service="auth")):
        token = await world.tokens(keys).log_in("ada@example.com", PASSWORD)
        assert current().actor == str(user.id)
    principal = await _verified(keys, token.text)
    assert principal.subject == str(user.id)
    assert principal.roles == ("customer",)
    assert (principal.name, principal.country, principal.revision) == ("Ada Lovelace", "DE", 1)
    assert token.expires_in == 600
    assert token.text not in repr(token)


async def test_a_token_is_as_rfc_9068_has_it(keys: SigningKeys) -> None:
    world = UserWorld()
    await world.users.sign_up(new_user())
    tokens = world.tokens(keys)
    one, two = [await tokens.log_in("ada@example.com", PASSWORD) for _ in range(2)]
    assert jwt.get_unverified_header(one.text) == {
        "alg": "ES256",
        "typ": "at+jwt",
        "kid": keys.current.kid,
    }
    claims, others = [
        jwt.decode(token.text, options={"verify_signature": False}) for token in (one, two)
    ]
    assert claims.keys() == {
        *("iss", "aud", "sub", "iat", "exp", "jti"),
        *("roles", "name", "country", "rev"),
    }
    assert claims["exp"] - claims["iat"] == 600
    assert claims["jti"] != others["jti"]


async def test_one_who_does_not_is_told_nothing_more(keys: SigningKeys) -> None:
    world = UserWorld()
    await world.users.sign_up(new_user())
    tokens = world.tokens(keys)
    with capture_logs() as lines:
        for email, password in [("ada@example.com", "wrong"), ("eve@example.com", PASSWORD)]:
            with pytest.raises(InvalidCredentials):
                await tokens.log_in(email, password)
    assert lines == [{"event": "auth.login_failed", "log_level": "info"}] * 2


async def test_a_service_account_gets_a_token(keys: SigningKeys) -> None:
    tokens = UserWorld().tokens(keys, CLIENTS)
    token = await tokens.for_client("client_credentials", "worker", SECRET)
    principal = await _verified(keys, token.text)
    assert (principal.subject, principal.roles) == ("service:worker", ("service",))


@pytest.mark.parametrize(
    ("client", "secret"), [("worker", "other"), ("worker", ""), ("api", SECRET), ("", "")]
)
async def test_and_nobody_else(keys: SigningKeys, client: str, secret: str) -> None:
    with pytest.raises(InvalidClient):
        await UserWorld().tokens(keys, CLIENTS).for_client("client_credentials", client, secret)


async def test_one_grant_is_known(keys: SigningKeys) -> None:
    with pytest.raises(UnsupportedGrantType):
        await UserWorld().tokens(keys, CLIENTS).for_client("password", "worker", SECRET)
