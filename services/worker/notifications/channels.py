"""How messages get to users. In memory: `MemoryChannel`."""

import os
import smtplib
import ssl
from asyncio import to_thread
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import ClassVar, Final, Protocol
from uuid import UUID

from libs.errors import InvalidInput, Unavailable
from libs.logging import get_logger
from services.worker.settings import MessageSettings

log = get_logger()

_BUSY: Final = 400
"""From here to 499 an SMTP server means: not now (RFC 5321, 4.2.1); from 500 on: never."""


class Undeliverable(InvalidInput):
    code = "notifications.undeliverable"
    title = "The message cannot be delivered"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to be sent.

    Attributes:
        message_id: the same when it is sent again.
        to: the address.
        text: plain; it may hold a token.
    """

    message_id: UUID
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class Channel(Protocol):
    """A way to users."""

    @property
    def name(self) -> str: ...

    async def send(self, mail: Mail) -> None:
        """Send a message; returns when it is out of our hands.

        Raises:
            Undeliverable: it never can be.
            Unavailable: it cannot be at present.
        """


class MemoryChannel:
    """Keeps what is sent, for tests.

    Attributes:
        failure: what sending raises.
    """

    name: ClassVar[str] = "memory"

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.failure: Exception | None = None

    async def send(self, mail: Mail) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(mail)


class ConsoleChannel:
    """Says in the log that there is a message, and sends it to nobody.

    Neither address nor text: who reads logs could reset anybody's password with the token.
    """

    name: ClassVar[str] = "console"

    async def send(self, mail: Mail) -> None:
        log.info("message.console", messageId=str(mail.message_id), subject=mail.subject)


class FileChannel:
    """Writes each message to a file of its own, for our eyes only.

    Args:
        folder: made at the first message.
        sender: the address that messages come from.
    """

    name: ClassVar[str] = "file"

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        content = _composed(mail, self._sender).as_bytes()
        try:
            await to_thread(self._write, self._folder / f"{mail.message_id}.eml", content)
        except OSError as error:
            raise Unavailable(f"the message cannot be written: {error.strerror}") from error

    def _write(self, path: Path, content: bytes) -> None:
        """The whole file or nothing."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        part.replace(path)


class SmtpChannel:
    """Hands messages to an SMTP server, each in a connection of its own, in a thread."""

    name: ClassVar[str] = "smtp"

    def __init__(self, settings: MessageSettings) -> None:
        self._settings = settings

    async def send(self, mail: Mail) -> None:
        message = _composed(mail, self._settings.sender)
        try:
            await to_thread(self._deliver, message)
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), *_ = error.recipients.values()
            raise _refusal(code) from None  # the error's text has the address in it
        except smtplib.SMTPAuthenticationError:
            raise Unavailable("the SMTP server does not accept our credentials") from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            kind = type(error).__name__
            raise Unavailable(f"the SMTP server is not available ({kind})") from None

    def _deliver(self, message: EmailMessage) -> None:
        given = self._settings
        with self._connection() as smtp:
            if given.smtp_security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if given.smtp_user:
                smtp.login(given.smtp_user, given.smtp_password.get_secret_value())
            smtp.send_message(message)

    def _connection(self) -> smtplib.SMTP:
        given = self._settings
        if given.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                given.smtp_host,
                given.smtp_port,
                timeout=given.smtp_timeout_s,
                context=ssl.create_default_context(),
            )
        return smtplib.SMTP(given.smtp_host, given.smtp_port, timeout=given.smtp_timeout_s)


def channel(settings: MessageSettings) -> Channel:
    """The channel that the settings ask for."""
    if settings.channel == "smtp":
        return SmtpChannel(settings)
    if settings.channel == "file":
        return FileChannel(settings.folder, settings.sender)
    return ConsoleChannel()


def _composed(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    # The same if it is sent again: a mailbox may show it once.
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no replies of absent people
    message.set_content(mail.text)
    return message


def _refusal(code: int) -> Unavailable | Undeliverable:
    if _BUSY <= code < _BUSY + 100:
        return Unavailable(f"the SMTP server answered {code}")
    return Undeliverable(f"the SMTP server answered {code}")
