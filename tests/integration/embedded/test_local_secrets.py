"""Secrets are made once, kept, and private."""

import stat
from pathlib import Path

import pytest

from libs.embedded import EmbeddedError, Secrets


def test_a_secret_is_made_once(data: Path) -> None:
    first = Secrets(data).secret("one")
    assert len(first) == 32
    assert Secrets(data).secret("one") == first
    assert Secrets(data).secret("other") != first
    assert stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600


def test_a_file_is_made_once(data: Path) -> None:
    path = Secrets(data).file("signing.pem", lambda: "key\n")
    assert path == data / "keys" / "signing.pem"
    assert Secrets(data).file("signing.pem", lambda: "another\n").read_text() == "key\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_that_is_a_path_is_refused(data: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        Secrets(data).secret(name)
    with pytest.raises(ValueError, match="not a name"):
        Secrets(data).file(name, str)


def test_a_damaged_file_is_said_so(data: Path) -> None:
    data.mkdir()
    (data / "secrets.json").write_text("{")
    with pytest.raises(EmbeddedError, match=r"secrets\.json is damaged"):
        Secrets(data).secret("one")
