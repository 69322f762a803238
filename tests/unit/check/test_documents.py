"""Docs: what they name and is not there is found, line by line."""

from pathlib import Path

import click
import pytest

from tests.check import documents, generated, markdown
from tests.check.documents import Names
from tests.unit.check.conftest import Plant


@click.group()
def throughline() -> None: ...


@throughline.command()
@click.argument("modules", nargs=-1)
@click.option("--check", is_flag=True)
def migrate(modules: tuple[str, ...], check: bool) -> None: ...


@throughline.group()
def config() -> None: ...


@config.command("list")
@click.option("--markdown/--plain")
def list_(markdown: bool) -> None: ...


NAMES = Names(
    targets=frozenset({"run", "test", "check"}),
    make_variables=frozenset({"PORT"}),
    command=throughline,
    settings=frozenset({"THROUGHLINE_REDIS_URL", "THROUGHLINE_API_DATABASE_URL"}),
)
FILES = {
    "Makefile": "run:\n",
    "libs/config.py": "",
    "services/api/module.py": "",
    "docs/guides/one.md": "# One\n\n## The first part\n",
    "docs/reference/log.schema.json": "{}",
}


def _found(plant: Plant, text: str) -> list[str]:
    project = plant({**FILES, "docs/guides/two.md": text})
    return list(documents.violations(project, NAMES))


GOOD = [
    "`libs/config.py` and `libs/` and `libs`",
    "`services/<module>/module.py`, `services/*/module.py`, `services/…/module.py`",
    "`module.py` in each",
    "`one.md` and [one](one.md) and [its part](one.md#the-first-part), [up](../reference)",
    "[elsewhere](https://example.com/nowhere.md) and [mail](mailto:a@example.com)",
    "`/v1/orders/{id}`, `application/json`, `and/or`, `N/A`, `a.b`, `1.5`",
    "`.data/logs/throughline.jsonl` and `.venv/bin/throughline`",
    "`make run PORT=1` and `make` and `makes nonsense`",
    "```sh\nmake test   # make nonsense\n$ make check && make run\n```",
    "```\nthroughline migrate api worker --check   # what is pending\n```",
    "`throughline config list --markdown`, `throughline migrate MODULE...`, `throughline --help`",
    "`.venv/bin/throughline config list --plain | head`",
    "`throughline`",
    "THROUGHLINE_REDIS_URL, `THROUGHLINE_<MODULE>_DATABASE_URL`, `THROUGHLINE_…_URL`",
    "All start with THROUGHLINE_ and some with THROUGHLINE_API_",
    "```python\nopen('libs/nothing.py')\n```",
    "```mermaid\nflowchart LR\n  a[libs/nothing.py]\n```",
    "![image](https://example.com/x.png)",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_there_may_be_named(plant: Plant, text: str) -> None:
    assert _found(plant, text) == []


BAD = {
    "`libs/nothing.py`": "there is no libs/nothing.py",
    "`libs/nothing/`": "there is no libs/nothing/",
    "`lib/config.py`": "there is no lib/config.py",
    "`nothing.py`": "there is no nothing.py",
    "`services/<module>/nothing.py`": "there is no services/<module>/nothing.py",
    "```\ncat libs/nothing.py\n```": "there is no libs/nothing.py",
    "`make nothing`": "the Makefile has no target nothing",
    "```sh\nmake test nothing\n```": "the Makefile has no target nothing",
    "`make run PROT=1`": "the Makefile has no variable PROT",
    "`throughline nothing`": "throughline has no command nothing",
    "`throughline config nothing`": "throughline config has no command nothing",
    "```sh\n$ .venv/bin/throughline migrate --nothing\n```": "migrate has no option --nothing",
    "`throughline config list --nothing=1`": "config list has no option --nothing",
    "THROUGHLINE_NOTHING_URL": "there is no setting THROUGHLINE_NOTHING_URL",
    "`THROUGHLINE_REDIS_ULR`": "there is no setting THROUGHLINE_REDIS_ULR",
    "`THROUGHLINE_<MODULE>_NOTHING`": "there is no setting THROUGHLINE_<MODULE>_NOTHING",
    "THROUGHLINE_NOTHING_ variables": "there is no setting THROUGHLINE_NOTHING_",
    "[two](nothing.md)": "the link nothing.md leads nowhere",
    "[part](one.md#nothing)": "the link one.md#nothing leads to no heading",
    "[here](#nothing)": "the link #nothing leads to no heading",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_may_not(plant: Plant, text: str) -> None:
    (found,) = _found(plant, f"# Two\n\n{text}\n")
    line = 4 if text.startswith("```") else 3
    assert found.startswith(f"docs/guides/two.md:{line}: ")
    assert BAD[text] in found


def test_everything_is_told(plant: Plant) -> None:
    assert len(_found(plant, "\n".join(BAD))) == len(BAD)


def test_of_a_decision_the_options_may_name_what_might_have_been(plant: Plant) -> None:
    text = "# One\n\n## Options\n\n`nothing.py`\n\n## Decision\n\n`nowhere.py`\n"
    project = plant({**FILES, "docs/decisions/0001-one.md": text})
    (found,) = documents.violations(project, NAMES)
    assert found == "docs/decisions/0001-one.md:9: there is no nowhere.py"


def test_other_documents_are_others_business(plant: Plant) -> None:
    project = plant({**FILES, "charts/README.md": "`libs/nothing.py`", "README.md": "`libs/`"})
    assert list(documents.violations(project, NAMES)) == []


def test_headings_have_anchors() -> None:
    text = "# A `b` *c*: d-e?\n## Same\n## Same\n```\n# none\n```\n"
    assert markdown.anchors(text) == {"a-b-c-d-e", "same", "same-1"}


class TestGenerated:
    """Sections that a command writes."""

    TEXT = (
        "# Two\n\n<!-- generated: throughline errors -->\n{}<!-- /generated -->\n\nThe end.\n"
        "<!-- generated: throughline modules graph -->\n```mermaid\n{}```\n<!-- /generated -->\n"
    )

    @staticmethod
    def _run(command: str) -> str:
        return f"what {command} prints\n"

    def test_what_is_current_is_left_alone(self, plant: Plant) -> None:
        text = self.TEXT.format("what errors prints\n", "what modules graph prints\n")
        project = plant({"docs/two.md": text})
        assert list(generated.violations(project, self._run)) == []
        assert generated.rewritten(text, self._run) == text

    def test_what_is_old_is_found_and_rewritten(self, plant: Plant) -> None:
        old = self.TEXT.format("old\n", "old\n")
        found = list(generated.violations(plant({"docs/two.md": old}), self._run))
        assert [line.partition(" is ")[0] for line in found] == ["docs/two.md:3:", "docs/two.md:8:"]
        assert "throughline modules graph" in found[1]
        assert generated.rewritten(old, self._run) == self.TEXT.format(
            "what errors prints\n", "what modules graph prints\n"
        )

    def test_an_empty_section_is_filled(self) -> None:
        empty = self.TEXT.format("", "")
        assert "what errors prints\n<!-- /generated -->" in generated.rewritten(empty, self._run)
        assert "```mermaid\nwhat modules graph prints\n```\n" in generated.rewritten(
            empty, self._run
        )

    @pytest.mark.parametrize(
        "text",
        [
            "<!-- generated: throughline errors -->\nno end\n",
            "<!-- generated: ls -->\n<!-- /generated -->\n",
        ],
    )
    def test_a_section_that_cannot_be_generated_is_found(self, plant: Plant, text: str) -> None:
        (found,) = generated.violations(plant({"docs/two.md": text}), self._run)
        assert "has no end, or no command" in found

    def test_a_file_is_generated_as_a_whole(self, plant: Plant) -> None:
        files = {Path("docs/a.json"): "openapi", Path("docs/b.json"): "openapi"}
        project = plant({"docs/a.json": "what openapi prints\n", "docs/b.json": "old\n"})
        (found,) = generated.stale(project, files, self._run)
        assert found.startswith("docs/b.json: is not what `throughline openapi` prints")
        assert len(list(generated.stale(plant({}), {Path("none"): "openapi"}, self._run))) == 1

    def test_fix_rewrites_files_and_sections(
        self, plant: Plant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generated, "throughline", self._run)
        monkeypatch.setattr(generated, "FILES", {Path("docs/a.json"): "openapi"})
        old = self.TEXT.format("what errors prints\n", "old\n")
        project = plant({"docs/two.md": old, "docs/a.json": "old\n"})
        assert generated.fix(project) == [Path("docs/two.md"), Path("docs/a.json")]
        assert generated.check(project) == []
        assert generated.fix(project) == []

    def test_commands_are_run_without_our_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THROUGHLINE_PORT", "nonsense")
        assert generated.throughline("errors").startswith("| code | status | title |")
        with pytest.raises(RuntimeError, match="throughline nothing ends with 2"):
            generated.throughline("nothing")
