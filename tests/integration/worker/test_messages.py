"""Messages for `auth`: from the event to a mailbox, and to the note of it."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy

import pytest

from libs.errors import Unavailable
from libs.ids import uuid7
from services.worker.notifications.channels import Mail, SmtpChannel, Undeliverable
from tests.integration.worker.conftest import Worker
from tests.integration.worker.smtp import SmtpServer, smtp_server
from tests.unit.worker.environ import settings
from tests.unit.worker.fakes import message_requested
from tests.waiting import until

HANDLERS = {"notifications", "audit"}


async def test_a_message_that_is_asked_for_twice_is_sent_and_noted_once(worker: Worker) -> None:
    event = message_requested()
    envelope = await worker.publish(event)
    await worker.deliver_again(envelope)
    last = await worker.publish(message_requested())

    async def done() -> bool:
        return await worker.handled(envelope) == await worker.handled(last) == HANDLERS

    await until(done, "both messages")
    assert len([m for m in worker.channel.sent if m.message_id == event.message_id]) == 1
    (row,) = await worker.db.rows("SELECT * FROM notifications WHERE user_id = $1", event.user_id)
    assert (row["kind"], row["status"], row["body"]) == ("reset_password", "sent", "")
    assert row["context_id"] == envelope.context_id


async def test_neither_address_nor_token_is_kept(worker: Worker) -> None:
    envelope = await worker.publish(message_requested())

    async def done() -> bool:
        return await worker.handled(envelope) == HANDLERS

    await until(done, "the message")
    for table in ("notifications", "audit_records", "outbox", "inbox"):
        kept = str(await worker.db.rows(f"SELECT * FROM {table}"))  # noqa: S608 (of the test)
        assert "ada@example.com" not in kept
        assert "token-" not in kept


@pytest.mark.parametrize("missing", ["auth", "channel"])
async def test_a_message_waits_for_whoever_is_away(worker: Worker, missing: str) -> None:
    if missing == "auth":
        worker.messages.failure = Unavailable()
    else:
        worker.channel.failure = Unavailable()
    envelope = await worker.publish(message_requested())
    await until(lambda: len(worker.messages.asked) >= 3, "another attempt")
    assert await worker.handled(envelope) == {"audit"}
    worker.messages.failure = worker.channel.failure = None
    await until(lambda: worker.channel.sent, "the message")


async def test_a_message_that_cannot_be_delivered_is_put_aside(worker: Worker) -> None:
    worker.channel.failure = Undeliverable()
    await worker.publish(message_requested())
    await until(lambda: worker.published("worker.dead-letter"), "the dead letter")
    assert await worker.count("notifications") == 0


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with smtp_server() as server:
        yield server


def _channel(port: int) -> SmtpChannel:
    given = settings(
        WORKER_MESSAGE_CHANNEL="smtp",
        WORKER_MESSAGE_SMTP_HOST="127.0.0.1",
        WORKER_MESSAGE_SMTP_PORT=str(port),
        WORKER_MESSAGE_SMTP_SECURITY="none",
    )
    return SmtpChannel(given.messages)


MAIL = Mail(uuid7(), "ada@example.com", "Choose a new password", "the token\n")


async def test_smtp(smtp: SmtpServer) -> None:
    await _channel(smtp.port).send(MAIL)
    (content,) = smtp.delivered
    message = message_from_bytes(content, policy=policy.default)
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Choose a new password")
    assert str(MAIL.message_id) in message["Message-ID"]
    assert "the token" in message.get_content()


@pytest.mark.parametrize(
    ("refuses", "error"),
    [
        ("450 mailbox is busy ada@example.com", Unavailable),
        ("550 no ada@example.com", Undeliverable),
    ],
)
async def test_smtp_that_refuses(
    smtp: SmtpServer, refuses: str, error: type[Unavailable] | type[Undeliverable]
) -> None:
    smtp.refuses = refuses
    with pytest.raises(error) as caught:
        await _channel(smtp.port).send(MAIL)
    assert "ada" not in str(caught.value)


async def test_smtp_that_is_away() -> None:
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        await _channel(1).send(MAIL)


async def test_smtp_is_not_spoken_in_the_clear_unless_somebody_says_so(smtp: SmtpServer) -> None:
    careful = settings(
        WORKER_MESSAGE_CHANNEL="smtp",
        WORKER_MESSAGE_SMTP_HOST="127.0.0.1",
        WORKER_MESSAGE_SMTP_PORT=str(smtp.port),
    )
    with pytest.raises(Unavailable):
        await SmtpChannel(careful.messages).send(MAIL)
    assert smtp.delivered == []
