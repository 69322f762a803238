"""Rules about sources: the environment, words, foreign keys, skaffold; the runner."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tortoise import Model, fields

from tests.check import __main__ as runner
from tests.check import environment, skaffold, tables, tools, wording
from tests.check.project import Project
from tests.unit.check.conftest import Plant


class TestEnvironment:
    """Who reads it."""

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ('import os\nurl = os.environ["URL"]', "2: reads the environment (os.environ)"),
            ("import os\nos.getenv('URL')", "2: reads the environment (os.getenv)"),
            ("import os as system\nsystem.environ", "2: reads the environment (os.environ)"),
            ("def f():\n    from os import environ", "2: reads the environment (from os import"),
        ],
    )
    def test_nobody_but_the_loader(self, plant: Plant, text: str, place: str) -> None:
        found = environment.check(plant({"libs/cache/redis.py": text}))
        assert [line.startswith(f"libs/cache/redis.py:{place}") for line in found] == [True]
        allowed = {"libs/config.py": text, "services/cli/up.py": text, "tests/conftest.py": text}
        project = plant({**allowed, "libs/cache/redis.py": ""})
        assert environment.check(project) == []

    def test_other_things_of_os_are_nobodys_business(self, plant: Plant) -> None:
        assert environment.check(plant({"libs/a.py": "import os\nos.getpid()\nenviron = 1"})) == []


class TestWording:
    """What the project says of others."""

    @pytest.mark.parametrize(
        "text",
        [
            "see /wor" + "k/shared/notes",
            'path = "/roo' + 't/.cache"',
            "/hom" + "e/somebody/project",
            "/User" + "s/somebody/project",
            "C:\\User" + "s\\somebody",
            "written by Clau" + "de",
            "an AI-gene" + "rated file",
            "Co-authored" + "-by: Somebody <somebody@example.com>",
            "As an A" + "I, I cannot",
        ],
    )
    def test_it_is_found_in_every_file(self, plant: Plant, text: str) -> None:
        (found,) = wording.check(plant({"docs/notes.md": f"first\n{text}\n"}))
        assert found.startswith("docs/notes.md:2: ")

    @pytest.mark.parametrize(
        "text",
        ["/v1/work/1", "the work/life balance", "~/work/x", "$HOME/work/", "/homepage/", "said"],
    )
    def test_harmless_words_are_not(self, plant: Plant, text: str) -> None:
        assert wording.check(plant({"docs/notes.md": text})) == []

    def test_files_that_are_no_text_are_left_out(self, plant: Plant) -> None:
        project = plant({"docs/notes.md": ""})
        (project.root / "docs" / "image.png").write_bytes(b"\x89PNG\xff /wor" + b"k/")
        assert wording.check(Project(project.root)) == []


class Neighbour(Model):
    id = fields.IntField(primary_key=True)


class Home(Model):
    id = fields.IntField(primary_key=True)
    neighbour: fields.ForeignKeyRelation[Neighbour] = fields.ForeignKeyField("shop.Neighbour")
    stranger: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField("auth.User")
    strangers: fields.ManyToManyRelation[Model] = fields.ManyToManyField("auth.Role")
    twin: fields.OneToOneRelation[Model] = fields.OneToOneField("auth.Twin")


class TestTables:
    """References between tables."""

    def test_a_foreign_key_to_another_module_is_found(self) -> None:
        here = f"{__name__}.Home"
        assert list(tables.models("shop", [__name__])) == [
            f"{here}.stranger refers to auth.User, which is not shop's",
            f"{here}.strangers refers to auth.Role, which is not shop's",
            f"{here}.twin refers to auth.Twin, which is not shop's",
        ]

    @pytest.mark.parametrize(
        "sql",
        [
            "user_id uuid REFERENCES auth.users (id)",
            'user_id uuid references "auth"."users"',
            "INSERT INTO auth.users VALUES (1)",
            "SELECT 1 FROM auth.users",
            "ALTER TABLE auth.users ADD x int",
        ],
    )
    def test_a_migration_that_names_another_schema_is_found(self, plant: Plant, sql: str) -> None:
        path = "services/api/migrations/1_init.py"
        (found,) = tables.migrations(plant({path: f'SQL = """\n{sql}\n"""'}), ["auth", "api"])
        assert found == f"{path}:2: names the schema auth"

    def test_its_own_is_fine(self, plant: Plant) -> None:
        sql = 'SQL = "REFERENCES auth.users (id)"'
        project = plant({"services/auth/migrations/1_init.py": sql})
        assert list(tables.migrations(project, ["auth", "api"])) == []


class TestSkaffold:
    """skaffold.yaml."""

    GOOD = "apiVersion: skaffold/v4beta14\nkind: Config\nmetadata:\n  name: shop\n"

    def test_a_good_one(self, plant: Plant) -> None:
        assert skaffold.check(plant({"skaffold.yaml": self.GOOD})) == []

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("apiVersion: skaffold/v4beta13\n", "apiVersion must be skaffold/v4beta14"),
            ("just text", "apiVersion must be"),
            ("a: [", "is not YAML"),
            (GOOD + "build:\n  artifact: []\n", "'artifact' was unexpected"),
            (GOOD + "build:\n  artifacts:\n    - imagee: x\n", "$.build.artifacts[0]"),
            (GOOD + "---\napiVersion: 1\n", "apiVersion must be"),
        ],
    )
    def test_a_bad_one(self, plant: Plant, text: str, expected: str) -> None:
        found = skaffold.check(plant({"skaffold.yaml": text}))
        assert any(expected in line for line in found), found

    def test_none(self, plant: Plant) -> None:
        assert skaffold.check(plant({"README.md": ""})) == ["skaffold.yaml is missing"]


PYPROJECT = """
[tool.ruff.lint]
select = ["T20", "F"]
[tool.mypy]
strict = true
files = ["libs"]
"""


class TestTools:
    """The tools are asked, and what they say is told."""

    def test_good_code(self, plant: Plant) -> None:
        project = plant({"pyproject.toml": PYPROJECT, "libs/a.py": "A = 1\n"})
        assert [tools.style(project), tools.layout(project), tools.types(project)] == [[], [], []]

    def test_print_is_found(self, plant: Plant) -> None:
        (found,) = tools.style(plant({"pyproject.toml": PYPROJECT, "libs/a.py": "print(1)\n"}))
        assert found.startswith("libs/a.py:1:1: T201")

    def test_bad_layout_is_found(self, plant: Plant) -> None:
        found = tools.layout(plant({"pyproject.toml": PYPROJECT, "libs/a.py": "a=1\n"}))
        assert any("libs/a.py" in line for line in found)

    def test_a_wrong_type_is_found(self, plant: Plant) -> None:
        (found,) = tools.types(plant({"pyproject.toml": PYPROJECT, "libs/a.py": 'A: int = ""\n'}))
        assert found.startswith("libs/a.py:1: error: Incompatible types")

    def test_this_project_lets_ruff_look_for_print(self) -> None:
        assert '"T20"' in Project().text(Path("pyproject.toml"))


def test_files_are_those_that_git_has_or_would_add(plant: Plant) -> None:
    project = plant({"kept.md": "", "gone.md": "", "new.md": "", "out.log": ""})
    (project.root / ".gitignore").write_text("*.log\n")
    for command in (["init", "-q"], ["add", "kept.md", "gone.md", ".gitignore"]):
        subprocess.run(["git", *command], cwd=project.root, check=True)
    (project.root / "gone.md").unlink()
    assert [str(path) for path in project.files] == [".gitignore", "kept.md", "new.md"]


class TestRunner:
    """python -m tests.check."""

    def test_every_violation_is_told_with_the_name_of_its_check(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: Project) -> list[str]:
            raise LookupError("no such thing")

        checks = {
            "first": lambda _: ["a.py:1: wrong", "b.py:2: wrong"],
            "second": lambda _: [],
            "third": broken,
        }
        monkeypatch.setattr(runner, "CHECKS", checks)
        ended = CliRunner().invoke(runner.main, [])
        assert ended.exit_code == 1
        for told in ("FAILED first", "    a.py:1: wrong", "    b.py:2: wrong", "ok     second"):
            assert told in ended.output
        assert "    the check itself failed: LookupError: no such thing" in ended.output
        assert ended.output.endswith("2 of 3 failed: first, third\n")

    def test_if_all_is_well_so_is_the_exit_status(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "CHECKS", {"first": lambda _: []})
        assert CliRunner().invoke(runner.main, []).exit_code == 0

    def test_one_can_be_asked_for(self) -> None:
        ended = CliRunner().invoke(runner.main, ["environment"])
        assert ended.output.count("\n") >= 1
        assert "wording" not in ended.output
        assert CliRunner().invoke(runner.main, ["nonsense"]).exit_code == 2
