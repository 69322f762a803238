"""`throughline` as a process of its own: exit status, and where it says what."""

import os
import subprocess
import sys
import time

import pytest

from libs.runtime import listen
from tests.log_contract import violations

GENEROUS_S = 60
"""It takes well under 2 s, on a machine that does nothing else."""

SETTINGS = {
    "THROUGHLINE_ENVIRONMENT": "test",
    "THROUGHLINE_REDIS_URL": "redis://127.0.0.1:9/0",
    "THROUGHLINE_AUTH_URL": "http://127.0.0.1:9",
}


def _throughline(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("serve", "integrations"), ("config", "check")])
def test_a_bad_setting_ends_it_with_78_and_every_problem(arguments: tuple[str, ...]) -> None:
    before = time.monotonic()
    ended = _throughline(
        *arguments,
        THROUGHLINE_PORT="planted",
        THROUGHLINE_LOG_LEVEL="planted",
        THROUGHLINE_REDIS_TIMEOUT_MS="planted",
    )
    assert ended.returncode == 78
    assert time.monotonic() - before < GENEROUS_S
    assert ended.stdout == ""
    for name in ("PORT", "LOG_LEVEL", "REDIS_TIMEOUT_MS", "REDIS_URL"):
        assert f"THROUGHLINE_{name}: " in ended.stderr
    assert "planted" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_one_clear_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        ended = _throughline("serve", "integrations", **SETTINGS, THROUGHLINE_PORT=port)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port} cannot be listened on" in ended.stderr
    assert violations(ended.stdout.encode().splitlines()) == []


def test_no_module_is_a_usage_error() -> None:
    assert _throughline("serve").returncode == 2


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("raise LookupError", 1),
        ("threading.Thread(target=lambda: log.info('late.one')).start()", 0),
        ("atexit.register(lambda: log.info('late.one'))", 0),
        ("log.info('broken', a=open(os.devnull))", 0),
    ],
)
def test_the_log_is_written_before_the_end(end: str, status: int) -> None:
    program = (
        "import atexit, os, sys, threading\n"
        "from libs import logging\n"
        "logging.configure(level='info', version='1', environment='test')\n"
        "log = logging.get_logger()\n"
        "for n in range(1000): log.info('some.event', n=n)\n"
        f"{end}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=180, check=False
    )
    assert ended.returncode == status
    lines = ended.stdout.splitlines()
    assert len(lines) == 1000 + ("log.info" in end)
    assert violations(lines) == []


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    program = (
        "from libs import logging\n"
        "logging.configure(level='info', version='1', environment='test')\n"
        "for n in range(100_000): logging.get_logger().info('some.event', n=n)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(180) in (0, 120)  # 120: Python could not flush standard output
        assert b"Traceback" not in process.stderr.read()
