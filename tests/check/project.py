"""The tree that is checked: this one, or a small made-up one in a test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A tree of files.

    Attributes:
        root: where it is.
    """

    root: Path = ROOT

    @cached_property
    def files(self) -> list[Path]:
        """The files that belong to it, relative to the root: what git has, or would add."""
        if (self.root / ".git").exists():
            found = [Path(name) for name in self._git_files()]
        else:
            every = (path.relative_to(self.root) for path in self.root.rglob("*"))
            found = [path for path in every if "__pycache__" not in path.parts]
        return sorted(path for path in found if (self.root / path).is_file())

    def python(self, *folders: str) -> Iterator[Path]:
        """The Python files in `folders`."""
        return (p for p in self.files if p.suffix == ".py" and p.parts[0] in folders)

    def text(self, path: Path) -> str:
        """What is in a file; nothing if it is not text."""
        try:
            return (self.root / path).read_text()
        except UnicodeDecodeError:
            return ""

    def run(self, *arguments: str) -> list[str]:
        """What a program of this environment says in this tree, if it fails: a line each."""
        ended = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            # The tree's own packages come first, this one's checks after them.
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        return (said or [f"exit status {ended.returncode}"]) if ended.returncode else []

    def _git_files(self) -> Sequence[str]:
        git = shutil.which("git") or "git"
        listing = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(listing, cwd=self.root, capture_output=True, text=True, check=True)
        return listed.stdout.rstrip("\0").split("\0")
