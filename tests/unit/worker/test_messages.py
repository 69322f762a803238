"""What is sent for `auth`, and what is kept of it."""

import pytest
from structlog.testing import capture_logs

from libs.contracts.auth import MessageRequested
from libs.errors import Unavailable
from services.worker.notifications.channels import MemoryChannel, Undeliverable
from services.worker.notifications.handlers import handlers
from services.worker.notifications.models import Kind, Status
from services.worker.notifications.service import Messages, Notifications
from tests.unit.worker.fakes import FakeMessages, FakeStore, message_requested


class World:
    """The handler, over fakes."""

    def __init__(self) -> None:
        self.source, self.channel, self.store = FakeMessages(), MemoryChannel(), FakeStore()
        messages = Messages(self.source, self.channel, self.store)
        found = handlers(Notifications(self.store), messages)
        (self.handler,) = [h for h in found if h.event is MessageRequested]

    async def handle(self, event: MessageRequested) -> None:
        assert self.handler.prepare is not None
        await self.handler.handle(event, await self.handler.prepare(event))


async def test_a_message_is_sent_and_noted_without_address_and_text() -> None:
    world, event = World(), message_requested()
    with capture_logs() as lines:
        await world.handle(event)
    (mail,) = world.channel.sent
    assert (mail.message_id, mail.to, mail.text) == (event.message_id, "ada@example.com", "token-1")
    assert world.store.added == [
        (event.user_id, Kind.RESET_PASSWORD, "Choose a new password", "", Status.SENT)
    ]
    for secret in ("ada@example.com", "token-1"):
        assert secret not in str(lines)
        assert secret not in repr(mail)


async def test_an_event_has_neither() -> None:
    assert MessageRequested.model_fields.keys() == {"message_id", "user_id", "kind"}


async def test_who_is_interrupted_sends_it_again_and_notes_it_once() -> None:
    world, event = World(), message_requested()
    assert world.handler.prepare is not None
    await world.handler.prepare(event)  # and then the process dies
    await world.handle(event)
    assert [mail.text for mail in world.channel.sent] == ["token-1", "token-2"]
    assert len({mail.message_id for mail in world.channel.sent}) == 1
    assert len(world.store.added) == 1


async def test_nobody_is_sent_nothing() -> None:
    world = World()
    await world.handle(message_requested().model_copy(update={"user_id": None}))
    assert (world.source.asked, world.channel.sent, world.store.added) == ([], [], [])


async def test_a_message_that_is_not_wanted_any_more_is_dropped() -> None:
    world, event = World(), message_requested()
    world.source.gone.add(event.message_id)
    await world.handle(event)
    assert (world.channel.sent, world.store.added) == ([], [])


@pytest.mark.parametrize("failure", [Unavailable(), Undeliverable()])
async def test_what_was_not_sent_is_not_noted(failure: Exception) -> None:
    world = World()
    world.channel.failure = failure
    with pytest.raises(type(failure)):
        await world.handle(message_requested())
    assert world.store.added == []
