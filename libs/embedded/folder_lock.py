"""One process for a data folder."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from libs.embedded.process import EmbeddedError


class FolderLock:
    """A lock on `<folder>/lock` that the system takes away when its holder dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """Take the lock, and make the folder when it is not there.

        Raises:
            EmbeddedError: another process has it, or the folder cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = (self._folder / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise EmbeddedError(f"cannot use {self._folder}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with file:
                file.seek(0)
                holder = file.read().strip() or "unknown"
            raise EmbeddedError(
                f"{self._folder} is in use by another process (pid {holder})"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
