"""Changing a password, verifying an address, resetting a password."""

import pytest
from structlog.testing import capture_logs

from libs.contracts.auth import EmailVerified, MessageKind, PasswordChanged, SessionEnded
from libs.errors import Conflict
from services.auth.accounts.errors import WrongPassword
from services.auth.messages.errors import InvalidMessageToken
from services.auth.users.errors import AccountGone, InvalidPassword
from services.auth.users.service import UserService
from tests.unit.auth.account_factories import NEW_PASSWORD, WIDE, AccountWorld
from tests.unit.auth.factories import PASSWORD

RESET, VERIFY = MessageKind.RESET_PASSWORD, MessageKind.VERIFY_EMAIL
BAD = ["short", "x" * 129, "ADA@example.com", "password1", "PassWord1", WIDE]


async def test_a_password_is_changed_by_who_knows_the_current_one() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.profiles.get(user.id)
    await world.accounts.change_password(user.id, None, PASSWORD, NEW_PASSWORD)
    assert not await world.logs_in(user, PASSWORD)
    assert await world.logs_in(user, NEW_PASSWORD)
    assert world.of(PasswordChanged) == [
        PasswordChanged(user_id=user.id, revision=2, reason="changed")
    ]
    profile = await world.profiles.get(user.id)
    assert profile is not None
    assert profile.version == 2  # and not the one that was cached
    assert world.requested(MessageKind.PASSWORD_CHANGED)[0].user_id == user.id


async def test_the_other_sessions_end() -> None:
    world = AccountWorld()
    user = await world.create()
    mine, other = await world.going(user), await world.going(user, "elsewhere")
    await world.accounts.change_password(user.id, mine.session_id, PASSWORD, NEW_PASSWORD)
    (ended,) = world.of(SessionEnded)
    assert (ended.session_id, ended.reason) == (other.session_id, "password_changed")


async def test_with_another_current_password_nothing_happens() -> None:
    world = AccountWorld()
    user = await world.create()
    with pytest.raises(WrongPassword) as caught:
        await world.accounts.change_password(user.id, None, "wrong horse", NEW_PASSWORD)
    assert [e.pointer for e in caught.value.errors] == ["/currentPassword"]
    assert await world.logs_in(user, PASSWORD)
    assert world.of(PasswordChanged) == []


@pytest.mark.parametrize("password", [*BAD, PASSWORD])
async def test_a_new_password_follows_the_rules(password: str) -> None:
    world = AccountWorld()
    user = await world.create()
    with pytest.raises(InvalidPassword) as caught:
        await world.accounts.change_password(user.id, None, PASSWORD, password)
    assert [e.pointer for e in caught.value.errors] == ["/newPassword"]
    assert password not in str(caught.value.errors)
    assert await world.logs_in(user, PASSWORD)


async def test_of_two_changes_at_the_same_time_one_is_made() -> None:
    world = AccountWorld()
    user = await world.create()
    verifies = world.manager.verifies

    async def overtaken(password: str, *rest: object) -> bool:
        result = await verifies(password, user)
        user.hashed_password = await world.passwords.hash("another password")
        return result

    world.manager.verifies = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(Conflict):
        await world.accounts.change_password(user.id, None, PASSWORD, NEW_PASSWORD)
    assert await world.logs_in(user, "another password")


async def test_who_is_gone_changes_nothing() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.repository.update(user, {"is_active": False})
    with pytest.raises(AccountGone):
        await world.accounts.change_password(user.id, None, PASSWORD, NEW_PASSWORD)


async def test_who_signs_up_is_asked_to_verify_the_address() -> None:
    world = AccountWorld()
    user = await world.create()
    assert not user.is_verified
    await world.accounts.confirm_verification(await world.token(VERIFY))
    assert (user.is_verified, user.version) == (True, 2)
    assert world.of(EmailVerified) == [EmailVerified(user_id=user.id, revision=2)]


async def test_a_token_verifies_once() -> None:
    world = AccountWorld()
    await world.create()
    token = await world.token(VERIFY)
    await world.accounts.confirm_verification(token)
    for invalid in (token, "x", ""):
        with pytest.raises(InvalidMessageToken) as caught:
            await world.accounts.confirm_verification(invalid)
        assert [e.pointer for e in caught.value.errors] == ["/token"]


@pytest.mark.parametrize("gone", ["inactive", "deleted"])
async def test_the_token_of_who_is_gone_is_not_valid(gone: str) -> None:
    world = AccountWorld()
    user = await world.create()
    await world.messages.request(user.id, RESET)
    verify, reset = await world.token(VERIFY), await world.token(RESET)
    if gone == "deleted":
        await world.repository.delete(user)
    else:
        await world.repository.update(user, {"is_active": False})
    with pytest.raises(InvalidMessageToken):
        await world.accounts.confirm_verification(verify)
    with pytest.raises(InvalidMessageToken):
        await world.accounts.reset_password(reset, NEW_PASSWORD)


async def test_requests_do_the_same_for_everybody() -> None:
    world = AccountWorld()
    known = await world.create()
    verified = await world.create("bob")
    await world.repository.update(verified, {"is_verified": True})
    gone = await world.create("eve")
    await world.repository.update(gone, {"is_active": False})
    world.now.move(hours=1)
    asked = world.accounts.request_reset, world.accounts.request_verification
    sent = []
    for request in asked:
        for name in ("ada", "bob", "eve", "nobody"):
            world.steps.clear()
            world.events.clear()
            await request(f"{name}@example.com")
            assert world.steps == ["open", "publish", "commit"]
            (event,) = world.events
            sent.append(event.user_id)  # type: ignore[attr-defined]
    assert sent == [known.id, verified.id, None, None, known.id, None, None, None]


async def test_a_reset_password_is_another_one_and_all_sessions_end() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.going(user)
    await world.going(user)
    await world.accounts.request_reset(user.email)
    with capture_logs() as lines:
        token = await world.token(RESET)
        await world.accounts.reset_password(token, NEW_PASSWORD)
    assert await world.logs_in(user, NEW_PASSWORD)
    assert not await world.logs_in(user, PASSWORD)
    assert user.is_verified  # the message got there
    assert {event.reason for event in world.of(SessionEnded)} == {"password_reset"}
    assert len(world.of(SessionEnded)) == 2
    assert [event.reason for event in world.of(PasswordChanged)] == ["reset"]
    for secret in (token, user.email, NEW_PASSWORD):
        assert secret not in str(lines)


@pytest.mark.parametrize("password", BAD)
async def test_a_password_that_breaks_a_rule_does_not_cost_the_token(password: str) -> None:
    world = AccountWorld()
    user = await world.create()
    await world.accounts.request_reset(user.email)
    token = await world.token(RESET)
    with pytest.raises(InvalidPassword):
        await world.accounts.reset_password(token, password)
    await world.accounts.reset_password(token, NEW_PASSWORD)


async def test_without_a_valid_token_nothing_is_hashed() -> None:
    world = AccountWorld()
    await world.create()
    world.passwords.calls.clear()
    with pytest.raises(InvalidMessageToken):
        await world.accounts.reset_password("x", NEW_PASSWORD)
    assert world.passwords.calls == []


async def test_another_password_voids_the_tokens_that_are_on_their_way() -> None:
    world = AccountWorld()
    user = await world.create()
    await world.accounts.request_reset(user.email)
    token = await world.token(RESET)
    await world.accounts.change_password(user.id, None, PASSWORD, NEW_PASSWORD)
    with pytest.raises(InvalidMessageToken):
        await world.accounts.reset_password(token, "yet another one")


async def test_a_setting_lets_only_verified_users_log_in_and_tells_nobody_why_not() -> None:
    world = AccountWorld()
    user = await world.create()
    strict = UserService(
        world.manager,
        world.registration,
        world.profiles,
        work=world._work,
        publish=world._publish,
        verified_login=True,
    )
    assert await strict.authenticate(user.email, PASSWORD) is None
    await world.accounts.confirm_verification(await world.token(VERIFY))
    assert await strict.authenticate(user.email, PASSWORD) is user
