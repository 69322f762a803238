"""Settings: every problem at once, with the variable's name, and never the value of a secret."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError

from libs.config import (
    ConfigError,
    Group,
    ModuleSettings,
    ProcessSettings,
    ServerSettings,
    Settings,
    groups,
    load,
    peer_variable,
    variable,
    variables,
)

SECRET = "hunter2-hunter2"


class CacheGroup(Group):
    prefix: ClassVar[str] = "REDIS"

    url: SecretStr = Field(description="where it is")
    timeout_ms: int = Field(50, ge=1, description="how long it may take")


class StoreGroup(Group):
    prefix: ClassVar[str] = "DATABASE"
    per_module: ClassVar[bool] = True

    url: SecretStr = Field(description="where it is")
    mode: Literal["fast", "safe"] = Field("safe", description="how it writes")


class ShopSettings(ModuleSettings):
    cache: CacheGroup
    store: StoreGroup


class CallingSettings(ShopSettings):
    uses: ClassVar[tuple[str, ...]] = ("auth",)


@dataclass(frozen=True)
class Declaration:
    name: str
    settings: type[ModuleSettings] = ShopSettings


SHOP = Declaration("shop")
GOOD = {
    "THROUGHLINE_ENVIRONMENT": "production",
    "THROUGHLINE_REDIS_URL": "redis://cache",
    "THROUGHLINE_SHOP_DATABASE_URL": "postgresql://db",
}


def _load(
    changes: dict[str, str] | None = None,
    *,
    modules: tuple[Declaration, ...] = (SHOP,),
    elsewhere: tuple[str, ...] = (),
) -> Settings[ProcessSettings]:
    return load({**GOOD, **(changes or {})}, ProcessSettings, modules, elsewhere=elsewhere)


def _problems(changes: dict[str, str], **how: tuple[str, ...]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        _load(changes, **how)  # type: ignore[arg-type]
    return {problem.variable: problem.message for problem in caught.value.problems}


def test_values_come_from_variables_of_process_and_module() -> None:
    settings = _load({"THROUGHLINE_PORT": "9", "THROUGHLINE_SHOP_DATABASE_MODE": "fast"})
    shop = settings.modules["shop"]
    assert isinstance(shop, ShopSettings)
    assert settings.process.server.port == 9
    assert shop.store.mode == "fast"
    assert shop.store.url.get_secret_value() == "postgresql://db"
    assert shop.cache.timeout_ms == 50


def test_names_of_variables() -> None:
    assert variable(ServerSettings, "log_level") == "THROUGHLINE_LOG_LEVEL"
    assert variable(CacheGroup, "url", module="shop") == "THROUGHLINE_REDIS_URL"
    assert variable(StoreGroup, "url", module="shop") == "THROUGHLINE_SHOP_DATABASE_URL"
    assert peer_variable("auth") == "THROUGHLINE_AUTH_URL"
    read = variables(ProcessSettings, [SHOP])
    assert list(read) == sorted(read)
    assert {"THROUGHLINE_HOST", "THROUGHLINE_REDIS_URL", "THROUGHLINE_SHOP_DATABASE_URL"} <= {*read}
    assert all(info.description for info in read.values())


def test_settings_are_passed_in_and_stay_as_they_are() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _load().process.server.port = 1  # type: ignore[misc]


def test_every_problem_is_told_at_once() -> None:
    problems = _problems(
        {
            "THROUGHLINE_PORT": "seventy",
            "THROUGHLINE_LOG_LEVEL": "loud",
            "THROUGHLINE_REDIS_URL": "",
            "THROUGHLINE_REDIS_TIMEOUT_MS": "0",
            "THROUGHLINE_SHOP_DATABASE_MODE": "slow",
            "THROUGHLINE_SHOP_DATABSE_URL": "x",
        }
    )
    assert set(problems) == {
        "THROUGHLINE_LOG_LEVEL",
        "THROUGHLINE_PORT",
        "THROUGHLINE_REDIS_TIMEOUT_MS",
        "THROUGHLINE_REDIS_URL",
        "THROUGHLINE_SHOP_DATABASE_MODE",
        "THROUGHLINE_SHOP_DATABSE_URL",
    }
    assert "debug, info, warning, error" in problems["THROUGHLINE_LOG_LEVEL"]
    assert "fast, safe" in problems["THROUGHLINE_SHOP_DATABASE_MODE"]
    assert problems["THROUGHLINE_REDIS_URL"] == "is required (where it is)"
    assert "the port to listen on" in problems["THROUGHLINE_PORT"]


def test_the_message_names_each_problem_on_a_line_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        load({"THROUGHLINE_PORT": "x"}, ProcessSettings, [SHOP])
    lines = str(caught.value).splitlines()
    assert lines[0] == "The configuration has 3 problem(s):"
    names = ["THROUGHLINE_PORT", "THROUGHLINE_REDIS_URL", "THROUGHLINE_SHOP_DATABASE_URL"]
    assert [line.strip().partition(":")[0] for line in lines[1:]] == names


@pytest.mark.parametrize(
    "name",
    [
        "THROUGHLINE_PORT",
        "THROUGHLINE_LOG_LEVEL",
        "THROUGHLINE_ENVIRONMENT",
        "THROUGHLINE_TRUST_CONTEXT_ID",
        "THROUGHLINE_REDIS_TIMEOUT_MS",
        "THROUGHLINE_SHOP_DATABASE_MODE",
        "THROUGHLINE_SHOP_DATABSE_URL",
        "THROUGHLINE_AUTH_URL",
    ],
)
def test_no_value_is_shown(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load({name: SECRET}, modules=(Declaration("shop", CallingSettings),))
    assert name in str(caught.value)
    assert SECRET not in repr(caught.value) + str(caught.value)


def test_secrets_are_not_shown_by_what_was_loaded() -> None:
    settings = _load({"THROUGHLINE_REDIS_URL": SECRET})
    assert SECRET not in repr(settings) + str(settings)


def test_an_unknown_variable_is_refused_with_a_hint() -> None:
    problems = _problems({"THROUGHLINE_REDIS_TIMEOUT": "1", "THROUGHLINE_QQQQQQ": "1"})
    assert problems == {
        "THROUGHLINE_REDIS_TIMEOUT": (
            "is not a known setting; did you mean THROUGHLINE_REDIS_TIMEOUT_MS?"
        ),
        "THROUGHLINE_QQQQQQ": "is not a known setting",
    }


def test_other_programs_variables_are_none_of_our_business() -> None:
    assert _load({"PATH": "/bin", "THROUGH": "x", "throughline_port": "x"})


def test_an_empty_value_counts_as_not_set() -> None:
    assert _load({"THROUGHLINE_PORT": ""}).process.server.port == 8000


@pytest.mark.parametrize("environment", ["production", "development", ""])
@pytest.mark.parametrize("value", ["insecure-secret", "x-changeme-x", "redis://u:CHANGE-ME@h"])
def test_default_secrets_are_refused_where_it_matters(environment: str, value: str) -> None:
    changes = {"THROUGHLINE_ENVIRONMENT": environment, "THROUGHLINE_REDIS_URL": value}
    problems = _problems(changes)
    assert list(problems) == ["THROUGHLINE_REDIS_URL"]
    assert value not in problems["THROUGHLINE_REDIS_URL"]


@pytest.mark.parametrize("environment", ["embedded", "test"])
def test_default_secrets_are_accepted_where_it_does_not(environment: str) -> None:
    changes = {"THROUGHLINE_ENVIRONMENT": environment, "THROUGHLINE_REDIS_URL": "insecure-secret"}
    assert _load(changes).process.server.environment == environment


def test_a_default_secret_in_the_code_is_found_too() -> None:
    class Keys(Group):
        prefix: ClassVar[str] = "KEYS"
        pepper: SecretStr = Field(SecretStr("insecure-pepper"), description="for hashes")

    class KeysSettings(ModuleSettings):
        keys: Keys

    lazy = Declaration("lazy", KeysSettings)
    with pytest.raises(ConfigError, match="THROUGHLINE_KEYS_PEPPER: holds a default secret"):
        load({}, ProcessSettings, [lazy])
    assert load({"THROUGHLINE_KEYS_PEPPER": "chosen"}, ProcessSettings, [lazy])


def test_what_belongs_to_others_is_excused() -> None:
    theirs = {"THROUGHLINE_AUTH_DATABASE_URL": "x", "THROUGHLINE_KAFKA_URL": "x"}
    assert _load(theirs, elsewhere=("THROUGHLINE_AUTH_", "THROUGHLINE_KAFKA_"))
    assert set(_problems(theirs, elsewhere=("THROUGHLINE_AUTH_",))) == {"THROUGHLINE_KAFKA_URL"}


def test_a_beginning_that_is_ours_as_well_excuses_nothing() -> None:
    wrong = {"THROUGHLINE_REDIS_TIMEUOT_MS": "1"}
    assert set(_problems(wrong, elsewhere=("THROUGHLINE_REDIS_",))) == set(wrong)


class TestPeers:
    """Where a module is that is called."""

    caller = Declaration("shop", CallingSettings)

    def test_one_that_is_hosted_needs_no_address(self) -> None:
        assert _load(modules=(self.caller, Declaration("auth", ModuleSettings))).peers == {}

    def test_one_that_is_not_hosted_needs_one(self) -> None:
        with pytest.raises(ConfigError) as caught:
            _load(modules=(self.caller,))
        assert [str(problem) for problem in caught.value.problems] == [
            "THROUGHLINE_AUTH_URL: is required: shop calls auth, which this process does not host"
        ]

    def test_an_address_is_used_even_if_it_is_hosted(self) -> None:
        both = (self.caller, Declaration("auth", ModuleSettings))
        settings = _load({"THROUGHLINE_AUTH_URL": "https://auth"}, modules=both)
        assert settings.peers == {"auth": "https://auth"}

    def test_an_address_is_one_of_http(self) -> None:
        with pytest.raises(ConfigError, match="THROUGHLINE_AUTH_URL: must start with http://"):
            _load({"THROUGHLINE_AUTH_URL": "auth:80"}, modules=(self.caller,))

    def test_an_address_of_one_that_nobody_calls_is_unknown(self) -> None:
        assert set(_problems({"THROUGHLINE_AUTH_URL": "http://auth"})) == {"THROUGHLINE_AUTH_URL"}


def test_a_settings_class_holds_groups_only() -> None:
    class Loose(ModuleSettings):
        port: int

    with pytest.raises(TypeError, match=r"Loose\.port is not a Group"):
        groups(Loose)
