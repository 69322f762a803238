import pytest

from libs.config import ConfigError, load, variables
from libs.settings import HostSettings
from services.auth.module import MODULE
from services.auth.settings import AuthSettings

REQUIRED = {
    "THROUGHLINE_ENVIRONMENT": "test",
    "THROUGHLINE_AUTH_DATABASE_URL": "postgresql://auth:secret@localhost/throughline",
    "THROUGHLINE_AUTH_KEY_SECRET": "encrypts-the-keys-of-tests",
    "THROUGHLINE_REDIS_URL": "redis://localhost:6379/0",
    "THROUGHLINE_CURSOR_SECRET": "a-secret-of-the-tests",
}
CLIENTS = "THROUGHLINE_AUTH_SERVICE_CLIENTS"


def _read(**more: str) -> AuthSettings:
    settings = load({**REQUIRED, **more}, HostSettings, [MODULE]).modules["auth"]
    assert isinstance(settings, AuthSettings)
    return settings


def test_what_is_required_is_enough() -> None:
    settings = _read()
    assert settings.passwords.model_dump() == {
        "memory_kib": 19 * 1024,
        "iterations": 2,
        "parallelism": 1,
        "concurrency": 2,
    }
    assert settings.service.clients == {}
    assert settings.signing.access_token_s == 600
    assert (settings.sessions.idle_d, settings.sessions.absolute_d) == (14, 90)
    assert settings.sessions.grace_s == 10
    assert settings.tokens.publish_s > 2 * settings.tokens.keys_max_age_s


def test_every_variable_says_what_it_is_for() -> None:
    for name, info in variables(HostSettings, [MODULE]).items():
        assert info.description, name


HASH, NEXT = "0a" * 32, "0b" * 32


@pytest.mark.parametrize(
    ("value", "hashes"),
    [
        (f'{{"worker": "{HASH}"}}', (HASH,)),
        (f'{{"worker": ["{HASH}"]}}', (HASH,)),
        (f'{{"worker": ["{HASH}", "{NEXT}"]}}', (HASH, NEXT)),
    ],
)
def test_service_accounts_come_as_json(value: str, hashes: tuple[str, ...]) -> None:
    assert _read(**{CLIENTS: value}).service.hashes == {"worker": hashes}


@pytest.mark.parametrize(
    "value",
    [
        "worker",
        "[]",
        '{"worker": "plain-secret"}',
        '{"worker": 1}',
        '{"worker": []}',
        f'{{"worker": ["{HASH}", "plain-secret"]}}',
        f'{{"worker": ["{HASH}", "{NEXT}", "{NEXT}"]}}',
    ],
)
def test_a_secret_in_place_of_its_hash_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match=CLIENTS) as caught:
        _read(**{CLIENTS: value})
    assert "plain-secret" not in str(caught.value)


def test_a_service_account_is_a_modules() -> None:
    with pytest.raises(ConfigError, match="no such service account"):
        _read(**{CLIENTS: f'{{"wroker": "{HASH}"}}'})


def test_the_secret_of_the_keys_is_long_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="THROUGHLINE_AUTH_KEY_SECRET") as caught:
        _read(THROUGHLINE_AUTH_KEY_SECRET="too-short-a-secret")
    assert "too-short-a-secret" not in str(caught.value)


def test_the_secret_before_it_may_be_told_too() -> None:
    settings = _read(THROUGHLINE_AUTH_KEY_FORMER_SECRET="the-one-before")
    assert settings.keys.secrets == (b"encrypts-the-keys-of-tests", b"the-one-before")
    assert len(_read().keys.secrets) == 1
