"""Becomes a server: `python -I -S launcher.py PARENT SIGNAL UID:GID PID_FILE COMMAND...`.

Run as a program between our process and the server's, because what it does must happen in the
child before the server's own code and cannot be done safely between fork and exec in a process
with threads. It imports only the standard library and ends by replacing itself.
"""

import ctypes
import os
import sys
import time

_PR_SET_PDEATHSIG = 1


def _record(pid_file: str, executable: str) -> None:
    """Leave behind who we are, so that the next start can tell an orphan from a stranger."""
    part = f"{pid_file}.{os.getpid()}"
    with open(part, "w", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib: it starts in ms
        file.write(f"{os.getpid()} {time.time():.3f} {executable}\n")
    os.replace(part, pid_file)  # noqa: PTH105


def _become(account: str) -> None:
    uid, gid = account.split(":")
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _die_with(parent: int, signal_number: int) -> None:
    """Ask Linux for a signal when the parent dies. Elsewhere the next start cleans up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)


def main(arguments: list[str]) -> None:
    parent, signal_number, account, pid_file, *command = arguments
    try:
        if pid_file:
            _record(pid_file, command[0])
        if account:
            _become(account)
        _die_with(int(parent), int(signal_number))  # after the change of user, which resets it
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
