"""Passwords that are guessed first. Where they are from: `data/README.md`."""

import unicodedata
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("data") / "common_passwords.txt"


class CommonPasswords:
    """The list, read when this is made.

    Args:
        file: one a line, folded.
    """

    def __init__(self, file: Path = _FILE) -> None:
        self._folded = frozenset(file.read_text(encoding="utf-8").splitlines())

    def has(self, password: str) -> bool:
        """Whether it is one of them, whatever its case and the width of its letters."""
        return folded(password) in self._folded


def folded(password: str) -> str:
    """The form in which passwords are compared with the list: NFKC, without case."""
    once = unicodedata.normalize("NFKC", password).casefold()
    return unicodedata.normalize("NFKC", once)
