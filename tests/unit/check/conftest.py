"""Small trees, to plant violations in."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.check.project import Project

Plant = Callable[[Mapping[str, str]], Project]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes a tree of these files; packages get their `__init__.py` by themselves."""

    def make(files: Mapping[str, str]) -> Project:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if path.suffix == ".py":
                for folder in path.relative_to(tmp_path).parents:
                    if folder.parts:
                        (tmp_path / folder / "__init__.py").touch()
        return Project(tmp_path)

    return make
