"""Modules that fit together, and which of them answers a path."""

from typing import Any

import pytest

from libs.config import ModuleSettings
from libs.module import Host, Module, Registry, Wired
from services import registry


def _module(name: str, *routes: str) -> Module:
    def build(_host: Host, _settings: Any) -> Wired:
        return Wired()

    return Module(name=name, summary=name, settings=ModuleSettings, build=build, routes=routes)


def test_two_modules_cannot_claim_one_route() -> None:
    with pytest.raises(ValueError, match="one and two both claim the route /v1/x"):
        Registry((_module("one", "/v1/x"), _module("two", "/v1/y", "/v1/x")))


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/v1/orders", "api"),
        ("/v1/orders/", "api"),
        ("/v1/orders/1/cancel", "api"),
        ("/graphql", "api"),
        ("/v1/ordersx", None),
        ("/v1", None),
        ("/", None),
        ("", None),
        ("/v1/users", "auth"),
        ("/v2/orders", None),
    ],
)
def test_a_path_belongs_to_the_module_with_its_prefix(path: str, owner: str | None) -> None:
    two = Registry((_module("api", "/v1/orders", "/graphql"), _module("auth", "/v1/users")))
    assert two.owner(path) == owner


def test_a_registry_keeps_its_order() -> None:
    two = Registry((_module("b"), _module("a")))
    assert two.names == ("b", "a")
    assert [m.name for m in two] == ["b", "a"]


def test_modules_are_loaded_by_name_and_once() -> None:
    assert registry.load(["integrations", "integrations"]).names == ("integrations",)


def test_a_name_that_is_no_module_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no such module: apii, cli .*auth, api"):
        registry.load(["apii", "auth", "cli"])


def test_all_modules_fit_together() -> None:
    every = registry.load(registry.MODULES)
    assert every.names == registry.MODULES
    assert {used for module in every for used in module.uses} <= set(registry.MODULES)


def test_what_is_published_has_one_publisher_and_what_is_consumed_has_one_too() -> None:
    every = registry.load(registry.MODULES)
    published = [event for module in every for event in module.publishes]
    assert len(set(published)) == len(published)
    assert {event for module in every for event in module.consumes} <= set(published)


def test_variables_of_others_are_known_by_their_beginning() -> None:
    elsewhere = registry.elsewhere(["integrations"])
    assert "THROUGHLINE_API_" in elsewhere
    assert "THROUGHLINE_KAFKA_" in elsewhere
    assert "THROUGHLINE_DATABASE_ADMIN_" in elsewhere
    assert "THROUGHLINE_INTEGRATIONS_" not in elsewhere
