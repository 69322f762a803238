"""The ways to users, as far as they need no server."""

import stat
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.config import ConfigError
from libs.errors import Unavailable
from libs.ids import uuid7
from services.worker.notifications.channels import (
    ConsoleChannel,
    FileChannel,
    Mail,
    SmtpChannel,
    channel,
)
from tests.unit.worker.environ import settings

SENDER = "Throughline <no-reply@throughline.example>"
MAIL = Mail(uuid7(), "ada@example.com", "Choose a new password", "the token: ü-secret\n")


async def test_the_console_shows_neither_address_nor_text() -> None:
    with capture_logs() as lines:
        await ConsoleChannel().send(MAIL)
    (line,) = lines
    assert line["messageId"] == str(MAIL.message_id)
    assert "ada" not in str(line)
    assert "secret" not in str(line)


async def test_a_file_is_a_message_that_mail_programs_read(tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    for _ in range(2):  # the second time it is the same file
        await FileChannel(folder, SENDER).send(MAIL)
    (file,) = folder.iterdir()
    assert file.name == f"{MAIL.message_id}.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert message["From"] == SENDER
    assert (message["To"], message["Subject"]) == (MAIL.to, MAIL.subject)
    assert message["Message-ID"] == f"<{MAIL.message_id}@throughline.example>"
    assert message.get_content() == MAIL.text


async def test_a_folder_that_cannot_be_written_is_no_fault_of_the_message(tmp_path: Path) -> None:
    (tmp_path / "messages").write_text("a file")
    with pytest.raises(Unavailable):
        await FileChannel(tmp_path / "messages", SENDER).send(MAIL)


def test_the_channel_is_a_setting(tmp_path: Path) -> None:
    assert isinstance(channel(settings().messages), ConsoleChannel)
    file = settings(WORKER_MESSAGE_CHANNEL="file", WORKER_MESSAGE_FOLDER=str(tmp_path))
    assert isinstance(channel(file.messages), FileChannel)
    smtp = settings(WORKER_MESSAGE_CHANNEL="smtp", WORKER_MESSAGE_SMTP_HOST="localhost")
    assert isinstance(channel(smtp.messages), SmtpChannel)


@pytest.mark.parametrize(
    "wrong",
    [
        {"CHANNEL": "smtp"},
        {"CHANNEL": "pigeon"},
        {"SENDER": "nobody"},
        {"SENDER": "a@b.example\r\nBcc: eve@example.com"},
        {"SMTP_USER": "ada", "SMTP_SECURITY": "none"},
    ],
)
def test_what_cannot_work_is_refused_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        settings(**{f"WORKER_MESSAGE_{name}": value for name, value in wrong.items()})
