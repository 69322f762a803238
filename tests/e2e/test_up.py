"""`throughline up` and `throughline demo` as a person uses them: in a terminal, with Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import psutil

from tests.e2e.conftest import assert_clean
from tests.environment import environment

PATIENCE_S = 150.0


def throughline(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.cli.main", *arguments]


class Up:
    """A running `throughline up`."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.output = data.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                throughline("up", "--data", str(data), "--port", str(port)),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_ready(self) -> str:
        """Its address."""
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C stops everything." not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)
        match = re.search(r"(http://\S+)/docs", self.text)
        assert match
        return match[1]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextmanager
def running(data: Path, port: int = 0) -> Iterator[Up]:
    up = Up(data, port)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.interrupt()


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def demo(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        throughline("demo", "--data", str(data)),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
        check=False,
    )


def test_a_system_comes_up_is_used_and_goes_away(data: Path) -> None:
    with running(data) as up, running(data.with_name("beside")) as other:
        address = up.wait_ready()
        children = up.children()
        assert other.wait_ready() != address

        credentials = orjson.loads((data / "credentials.json").read_bytes())
        assert (data / "credentials.json").stat().st_mode & 0o777 == 0o600
        for role in ("admin", "customer"):
            assert credentials[role]["password"] in up.text
            login = httpx.post(f"{address}/v1/auth/login", json=credentials[role], timeout=30)
            assert login.status_code == 200

        shown = demo(data)
        assert shown.returncode == 0, shown.stderr
        assert "is CONFIRMED" in shown.stdout
        for what in ("orders.insert", "OrderPlaced", "event.consumed", "http.call", "cache."):
            assert what in shown.stdout

        assert up.interrupt() == 0
        assert gone(children)
    assert_clean([data / "logs" / "throughline.jsonl"])


def test_what_was_killed_starts_again_with_its_data(data: Path) -> None:
    with running(data) as up:
        address = up.wait_ready()
        customer = orjson.loads((data / "credentials.json").read_bytes())["customer"]
        order = _place_order(address, customer)
        children = up.children()
        up.process.kill()
        up.process.wait(30)
        assert gone(children)

    with running(data) as up:
        address = up.wait_ready()
        assert customer["password"] not in up.text  # shown once only
        token = _login(address, customer)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = httpx.get(f"{address}/v1/orders/{order}", headers=token, timeout=30)
            assert answer.status_code == 200
            if answer.json()["status"] == "CONFIRMED":
                break
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)


def test_the_demo_starts_a_system_of_its_own(data: Path) -> None:
    shown = demo(data)

    assert shown.returncode == 0, shown.stderr
    assert "is CONFIRMED" in shown.stdout
    assert not (data / "run" / "stack.json").exists()


def test_a_port_in_use_is_one_clear_line(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(data, port)

        assert up.process.wait(60) == 1
    assert up.text.count("\n") == 1
    assert f"127.0.0.1:{port}" in up.text
    assert "PORT=" in up.text
    assert not data.exists()


def test_a_wrong_setting_stops_the_start(data: Path) -> None:
    broken = {"THROUGHLINE_LOG_LEVEL": "loud", "THROUGHLINE_RELAY_SPEED": "9"}
    ended = subprocess.run(
        throughline("up", "--data", str(data), "--port", "0"),
        capture_output=True,
        text=True,
        env={**environment(), **broken},
        timeout=120,
        check=False,
    )

    assert ended.returncode == 78
    for name in broken:
        assert name in ended.stderr


def _login(address: str, account: dict[str, str]) -> dict[str, str]:
    answer = httpx.post(f"{address}/v1/auth/login", json=account, timeout=30)
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def _place_order(address: str, account: dict[str, str]) -> str:
    token = _login(address, account)
    service = httpx.get(f"{address}/v1/services?active=true", headers=token, timeout=30)
    line = {"serviceId": service.json()["items"][0]["id"], "quantity": 1}
    placed = httpx.post(
        f"{address}/v1/orders",
        json={"currency": "EUR", "lines": [line]},
        headers={**token, "Idempotency-Key": os.urandom(8).hex()},
        timeout=30,
    )
    assert placed.status_code == 201, placed.text
    order: str = placed.json()["id"]
    return order
