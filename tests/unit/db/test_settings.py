import pytest
from pydantic import ValidationError

from libs.config import variable
from libs.db.settings import DatabaseSettings


def settings(url: str = "postgresql://api:hunter2@db:5432/shop", **more: int) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url, **more})


def test_each_module_has_its_own_variable() -> None:
    name = variable(DatabaseSettings, "statement_timeout_ms", module="api")
    assert name == "THROUGHLINE_API_DATABASE_STATEMENT_TIMEOUT_MS"


def test_every_field_is_described() -> None:
    assert all(field.description for field in DatabaseSettings.model_fields.values())


@pytest.mark.parametrize(
    "url", ["postgres://api@/shop?host=/run/postgresql", "postgresql://api:p%40ss@db/shop"]
)
def test_a_url_of_postgresql_is_taken(url: str) -> None:
    assert settings(url).url.get_secret_value() == url


@pytest.mark.parametrize(
    "url", ["mysql://api:hunter2@db/shop", "postgresql://db/shop", "postgresql://api:hunter2@db"]
)
def test_any_other_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValidationError, match="must have the form postgresql://role") as refused:
        settings(url)
    assert "hunter2" not in str(refused.value)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(settings())


def test_the_pool_has_room_for_its_minimum() -> None:
    assert settings(pool_min=3, pool_max=3).pool_max == 3
    with pytest.raises(ValidationError, match="must not be less than the pool's minimum"):
        settings(pool_min=3, pool_max=2)
