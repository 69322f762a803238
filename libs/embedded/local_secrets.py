"""Secrets that this machine makes up for itself at first use, and keeps in the data folder."""

import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from libs.embedded.process import EmbeddedError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Secrets:
    """Named secrets in `<folder>/secrets.json` and `<folder>/keys/`, for our eyes only.

    One process at a time may use a folder (see `FolderLock`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._path = self._folder / "secrets.json"

    def secret(self, name: str) -> str:
        """The secret of that name: 32 letters, digits, `-` and `_`, made at the first call."""
        known = self._read()
        if _valid(name) not in known:
            known[name] = secrets.token_urlsafe(24)
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._path, json.dumps(known, indent=2, sort_keys=True) + "\n")
        return known[name]

    def file(self, name: str, make: Callable[[], str]) -> Path:
        """The file of that name, with what `make` returned at the first call."""
        path = self._folder / "keys" / _valid(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, make())
        return path

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise EmbeddedError(f"{self._path} is damaged: {error}") from error
        return {str(name): str(value) for name, value in known.items()}


def _valid(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a secret: {name!r}")
    return name


def write_private(path: Path, text: str) -> None:
    """Write the whole file or nothing, readable by us alone from its first moment."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
