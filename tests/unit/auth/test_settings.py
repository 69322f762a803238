import pytest

from libs.config import ConfigError, load, variables
from libs.settings import HostSettings
from services.auth.module import MODULE
from services.auth.settings import AuthSettings

REQUIRED = {
    "THROUGHLINE_ENVIRONMENT": "test",
    "THROUGHLINE_AUTH_DATABASE_URL": "postgresql://auth:secret@localhost/throughline",
    "THROUGHLINE_AUTH_SIGNING_KEY_FILE": "signing.pem",
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


def test_every_variable_says_what_it_is_for() -> None:
    for name, info in variables(HostSettings, [MODULE]).items():
        assert info.description, name


def test_service_accounts_come_as_json() -> None:
    assert _read(**{CLIENTS: '{"worker": "' + "0a" * 32 + '"}'}).service.clients == {
        "worker": "0a" * 32
    }


@pytest.mark.parametrize("value", ["worker", "[]", '{"worker": "plain-secret"}', '{"worker": 1}'])
def test_a_secret_in_place_of_its_hash_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigError, match=CLIENTS) as caught:
        _read(**{CLIENTS: value})
    assert "plain-secret" not in str(caught.value)
