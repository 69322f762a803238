"""The command line: what it prints, and with which exit status it ends."""

import importlib
import re
from pathlib import Path

import click
import orjson
from click.testing import CliRunner, Result

from libs.config import variables
from libs.errors import catalogue
from libs.settings import HostSettings
from libs.version import VERSION
from services import registry
from services.cli import modules as modules_command
from services.cli.main import COMMANDS, main
from services.cli.settings import CONFIG_EXIT

GOOD = {
    "THROUGHLINE_ENVIRONMENT": "production",
    "THROUGHLINE_REDIS_URL": "redis://:chosen-by-us@cache:6379/0",
    "THROUGHLINE_AUTH_URL": "http://auth",
}


def _run(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    """Run a command with these variables and no others of ours."""
    others = dict.fromkeys(variables(HostSettings, registry.load(registry.MODULES)))
    return CliRunner().invoke(main, arguments, env={**others, **(environ or {})})


def test_every_command_has_help() -> None:
    answer = _run("--help")
    assert answer.exit_code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s+\S", answer.output, re.MULTILINE), f"{name} has no help"
        assert _run(name, "--help").exit_code == 0


def test_every_command_is_there() -> None:
    for source in COMMANDS.values():
        module, _, attribute = source.partition(":")
        assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)


def test_the_version() -> None:
    assert VERSION in _run("--version").output


def test_an_unknown_command_is_a_usage_error() -> None:
    assert _run("server").exit_code == 2


class TestConfigCheck:
    """throughline config check."""

    def test_good_settings(self) -> None:
        answer = _run("config", "check", "integrations", environ=GOOD)
        assert (answer.exit_code, answer.output) == (
            0,
            "The configuration is valid for: integrations\n",
        )

    def test_every_problem_is_told_and_no_value(self) -> None:
        bad = {
            "THROUGHLINE_LOG_LEVEL": "planted-level",
            "THROUGHLINE_PORT": "planted-port",
            "THROUGHLINE_REDIS_URL": "insecure-planted-secret",
            "THROUGHLINE_INTEGRATIONS_HOLIDAY_URL": "planted-address",
        }
        answer = _run("config", "check", "integrations", environ=bad)
        assert answer.exit_code == CONFIG_EXIT == 78
        for name in bad:
            assert name in answer.output
        assert "debug, info, warning, error" in answer.output
        assert "did you mean THROUGHLINE_INTEGRATIONS_HOLIDAYS_URL?" in answer.output
        assert "planted" not in answer.output

    def test_what_is_required_is_told_for_all_modules(self) -> None:
        answer = _run("config", "check")
        assert answer.exit_code == CONFIG_EXIT
        required = {
            name
            for name, info in variables(HostSettings, registry.load(registry.MODULES)).items()
            if info.is_required()
        }
        assert required
        for name in required:
            assert f"{name}: is required" in answer.output

    def test_an_unknown_module_is_a_usage_error(self) -> None:
        answer = _run("config", "check", "integration", environ=GOOD)
        assert answer.exit_code == 2
        assert "no such module: integration (there are auth, api" in answer.output


def test_config_list_shows_every_variable_and_no_secret() -> None:
    answer = _run("config", "list", environ=GOOD)
    assert answer.exit_code == 0
    assert "chosen-by-us" not in answer.output
    for name in variables(HostSettings, registry.load(registry.MODULES)):
        assert re.search(rf"^[* ] {name} ", answer.output, re.MULTILINE)
    assert re.search(r"^\* THROUGHLINE_REDIS_URL +secret, required", answer.output, re.MULTILINE)
    assert re.search(r"^  THROUGHLINE_LOG_LEVEL +debug, info", answer.output, re.MULTILINE)
    assert "PydanticUndefined" not in answer.output


def test_config_list_is_a_table_for_the_docs() -> None:
    lines = _run("config", "list", "--markdown", environ=GOOD).output.splitlines()
    assert lines[:2] == ["| variable | kind | default | meaning |", "|---|---|---|---|"]
    expected = variables(HostSettings, registry.load(registry.MODULES))
    assert [line.split("`")[1] for line in lines[2:]] == list(expected)
    assert {line.count("|") for line in lines} == {5}


def test_modules_list_and_graph_come_from_the_declarations() -> None:
    listed = _run("modules", "list").output
    graph = _run("modules", "graph").output
    assert graph.startswith("flowchart LR\n")
    for module in registry.load(registry.MODULES):
        assert f"{module.name}: {module.summary}" in listed
        assert all(route in listed for route in module.routes)
        assert f'    {module.name}["<b>{module.name}</b>' in graph
        assert all(f"    {module.name} -. HTTP .-> {used}\n" in graph for used in module.uses)
    assert re.search(r'^    api -- "[^"]*OrderPlaced[^"]*" --> worker$', graph, re.MULTILINE)


def test_a_graph_of_one_module_has_no_events() -> None:
    assert " -- " not in modules_command.diagram(registry.load(["integrations"]))


def test_errors_lists_the_catalogue() -> None:
    lines = _run("errors").output.splitlines()
    assert lines[:2] == ["| code | status | title |", "|---|---|---|"]
    codes = [line.split("`")[1] for line in lines[2:]]
    assert codes == list(catalogue())


def test_openapi_describes_the_routes_of_the_modules_asked_for() -> None:
    answer = _run("openapi", "integrations")
    assert answer.exit_code == 0
    document = orjson.loads(answer.output)
    assert document["openapi"].startswith("3.1")
    assert {"/v1/exchange-rates", "/v1/holidays", "/meta"} <= set(document["paths"])
    assert "/v1/orders" not in document["paths"]


def test_seed_wants_accounts_that_are_there(tmp_path: Path) -> None:
    assert _run("seed", "--accounts", str(tmp_path / "nothing.json")).exit_code == 2
