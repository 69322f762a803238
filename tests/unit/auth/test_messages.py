"""What users are sent, and what a token in a message is good for."""

import hashlib

import pytest

from libs.contracts.auth import MessageKind
from libs.ids import uuid7
from services.auth.messages.errors import InvalidMessageToken, MessageNotFound
from services.auth.messages.texts import written
from tests.unit.auth.account_factories import AccountWorld, token_in

RESET = MessageKind.RESET_PASSWORD


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_every_kind_has_a_text_without_what_strangers_choose(kind: MessageKind) -> None:
    world = AccountWorld()
    user = await world.create()
    world.now.move(hours=1)
    await world.messages.request(user.id, kind)
    message = await world.received(kind)
    assert (message.to, message.kind) == (user.email, kind)
    assert message.subject
    assert user.display_name not in message.subject + message.text


async def test_a_token_is_made_when_the_message_is_composed_and_its_hash_is_kept() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    (event,) = world.requested(RESET)
    kept = world.message_store.messages
    assert kept[event.message_id].token_hash is None
    token = await world.token(RESET)
    assert len(token) == 43
    assert kept[event.message_id].token_hash == hashlib.sha256(token.encode()).digest()
    assert await world.messages.holder(token, RESET) == user.id


async def test_a_link_has_the_token_where_no_server_sees_it() -> None:
    world = AccountWorld(link_url="https://app.example/account/")
    user = await world.create()
    await world.messages.request(user.id, RESET)
    message = await world.received(RESET)
    token = token_in(message)
    assert f"https://app.example/account/reset-password#token={token}" in message.text


def test_a_text_says_how_long_the_token_is_valid() -> None:
    assert "for 60 minutes" in written(RESET, "x", link_url="", minutes=60).body


async def test_composed_again_the_token_before_is_void() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    first, second = await world.token(RESET), await world.token(RESET)
    assert await world.messages.holder(second, RESET) == user.id
    with pytest.raises(InvalidMessageToken):
        await world.messages.holder(first, RESET)


async def test_a_token_is_for_one_thing_once_and_for_an_hour() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    token = await world.token(RESET)
    with pytest.raises(InvalidMessageToken):
        await world.messages.use(token, MessageKind.VERIFY_EMAIL)
    assert await world.messages.use(token, RESET) == user.id
    with pytest.raises(InvalidMessageToken):
        await world.messages.use(token, RESET)
    world.now.move(minutes=2)
    await world.messages.request(user.id, RESET)
    token = await world.token(RESET)
    world.now.move(hours=1)
    with pytest.raises(InvalidMessageToken):
        await world.messages.use(token, RESET)


async def test_a_message_that_is_late_or_whose_user_is_gone_is_not_sent() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    world.now.move(days=1, seconds=1)
    with pytest.raises(MessageNotFound):
        await world.received(RESET)
    await world.messages.request(user.id, RESET)
    await world.received(RESET)
    await world.repository.update(user, {"is_active": False})
    with pytest.raises(MessageNotFound):
        await world.received(RESET)
    with pytest.raises(MessageNotFound):
        await world.messages.compose(uuid7())


async def test_a_used_message_is_not_sent_again() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    await world.messages.use(await world.token(RESET), RESET)
    with pytest.raises(MessageNotFound):
        await world.received(RESET)


async def test_a_stranger_does_not_fill_a_mailbox() -> None:
    world = AccountWorld()
    user = await world.create()
    for _ in range(3):
        await world.messages.request(user.id, RESET)
    assert [event.user_id for event in world.requested(RESET)] == [user.id, None, None]
    world.now.move(minutes=1, seconds=1)
    await world.messages.request(user.id, RESET)
    assert world.requested(RESET)[-1].user_id == user.id
    for _ in range(2):  # what the user has done is always told
        await world.messages.request(user.id, MessageKind.PASSWORD_CHANGED)
    assert None not in [e.user_id for e in world.requested(MessageKind.PASSWORD_CHANGED)]


async def test_for_nobody_the_same_is_done_and_nothing_is_sent() -> None:
    world = AccountWorld()
    await world.messages.request(None, RESET)
    (event,) = world.requested(RESET)
    assert event.user_id is None
    assert event.message_id in world.message_store.messages
    with pytest.raises(MessageNotFound):
        await world.messages.compose(event.message_id)


async def test_neither_address_nor_token_shows_in_a_message_that_is_logged() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    message = await world.received(RESET)
    assert user.email not in repr(message)
    assert token_in(message) not in repr(message)
