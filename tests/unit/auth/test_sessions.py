"""How sessions begin, go on and end. What happens at the same time is in the integration tests."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from libs.context import RequestContext, current, use
from libs.contracts.auth import MessageKind, RefreshTokenReused, SessionEnded, SessionStarted
from libs.errors import Unavailable
from libs.web.pagination import InvalidCursor
from services.auth.administration.schemas import AccountChange
from services.auth.sessions.clients import Client
from services.auth.sessions.errors import InvalidRefreshToken, RefreshSuperseded, SessionNotFound
from services.auth.sessions.handlers import handlers
from services.auth.sessions.models import EndReason
from services.auth.sessions.refresh_tokens import digest, new_token, seal, unseal
from services.auth.sessions.service import Going
from services.auth.users.models import User
from tests.unit.auth.factories import UserWorld, principal
from tests.unit.auth.test_administration import ANY
from tests.unit.conftest import Logged

ELSEWHERE = Client("Phone", "198.51.100.0/24")
GRACE_S = 10


async def _world() -> tuple[UserWorld, User, Going]:
    """With a user who is logged in."""
    world = UserWorld()
    user = await world.create()
    going = await world.going(user)
    world.steps.clear()
    return world, user, going


async def _prolong(world: UserWorld, token: str, key: str | None = None) -> str:
    return (await world.sessions.prolong(token, ELSEWHERE, key)).refresh_token


def _ends(world: UserWorld) -> list[tuple[UUID, str]]:
    events = (event for event in world.events if isinstance(event, SessionEnded))
    return [(event.session_id, event.reason) for event in events]


class TestGoingOn:
    """A refresh token is good for one use."""

    async def test_a_token_gives_the_next_one(self) -> None:
        world, user, going = await _world()
        world.now.move(hours=1)
        second = await world.sessions.prolong(going.refresh_token, ELSEWHERE, None)
        third = await world.sessions.prolong(second.refresh_token, ELSEWHERE, None)
        assert {going.session_id} == {second.session_id, third.session_id}
        tokens = {going.refresh_token, second.refresh_token, third.refresh_token}
        assert {len(token) for token in tokens} == {43}
        assert len(tokens) == 3
        (session,) = world.session_store.sessions.values()
        assert session.last_seen_at - session.created_at == timedelta(hours=1)
        assert (session.device_name, session.ip_prefix) == ("Ada's laptop", "198.51.100.0/24")
        assert third.holder.id == user.id
        assert len(world.events) == 2  # a user, a session: going on is not told

    async def test_it_is_the_user_who_acts(self) -> None:
        world, user, going = await _world()
        with use(RequestContext(context_id="test-context", service="auth")):
            await _prolong(world, going.refresh_token)
            context = current()
        assert (context.actor, context.session_id) == (str(user.id), str(going.session_id))

    async def test_what_is_stored_is_of_no_use(self) -> None:
        world, _, going = await _world()
        await _prolong(world, going.refresh_token, "a-key")
        stored = repr([vars(token) for token in world.session_store.tokens.values()])
        assert going.refresh_token not in stored
        assert set(map(len, world.session_store.tokens)) == {32}

    @pytest.mark.parametrize("days", [14, 15])
    async def test_it_is_over_when_it_was_not_used_for_a_while(self, days: int) -> None:
        world, _, going = await _world()
        world.now.move(days=days)
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, going.refresh_token)
        assert _ends(world) == []  # nobody has a copy: it is just over

    async def test_it_is_over_after_a_time_however_much_it_is_used(self) -> None:
        world, _, going = await _world()
        token = going.refresh_token
        for _ in range(9):
            world.now.move(days=9.99)
            token = await _prolong(world, token)
        world.now.move(days=0.1)  # 90.01 days
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, token)
        (session,) = world.session_store.sessions.values()
        assert session.idle_until == session.expires_at

    @pytest.mark.parametrize("token", ["", "x", "\u20ac", "A" * 43])
    async def test_a_token_that_nobody_has_given_out(self, token: str) -> None:
        world, _, _ = await _world()
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, token)
        assert world.steps[-1] == "commit"

    async def test_no_session_begins_with_another_password(self) -> None:
        world, user, _ = await _world()
        assert await world.sessions.begin(user.id, "another hash", ELSEWHERE) is None
        assert await world.sessions.begin(uuid4(), user.hashed_password, ELSEWHERE) is None


class TestUsedAgain:
    """What becomes of a token that comes a second time."""

    async def test_a_moment_later_nothing_is_lost(self) -> None:
        world, _, going = await _world()
        second = await _prolong(world, going.refresh_token)
        world.now.move(seconds=GRACE_S)
        for key in (None, "a-key"):
            with pytest.raises(RefreshSuperseded):
                await _prolong(world, going.refresh_token, key)
        assert await _prolong(world, second)
        assert _ends(world) == []

    async def test_with_the_key_of_the_first_time_the_answer_is_given_again(self) -> None:
        world, user, going = await _world()
        second = await _prolong(world, going.refresh_token, "a-key")
        world.now.move(seconds=GRACE_S)
        again = await world.sessions.prolong(going.refresh_token, ELSEWHERE, "a-key")
        assert again.refresh_token == second
        assert (again.session_id, again.holder.id) == (going.session_id, user.id)
        with pytest.raises(RefreshSuperseded):
            await _prolong(world, going.refresh_token, "another-key")
        assert await _prolong(world, second)
        assert len(world.session_store.tokens) == 3

    @pytest.mark.parametrize("key", [None, "a-key"])
    async def test_later_the_session_is_over(self, key: str | None, logged: Logged) -> None:
        world, user, going = await _world()
        other = await world.going(user)
        second = await _prolong(world, going.refresh_token, "a-key")
        world.now.move(seconds=GRACE_S + 0.001)
        with use(RequestContext(context_id="test-context", service="auth")):
            with pytest.raises(InvalidRefreshToken):
                await _prolong(world, going.refresh_token, key)
            assert current().actor is None  # who it is is not known
        assert _ends(world) == [(going.session_id, "refresh_token_reused")]
        assert world.events[-1] == RefreshTokenReused(session_id=going.session_id, user_id=user.id)
        assert world.notified[-1] == (user.id, MessageKind.SESSION_COMPROMISED)
        assert str(going.session_id) in world.deny_list
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, second)
        assert await _prolong(world, other.refresh_token)  # that is another family
        line = logged.line("session.refresh_token_reused")
        assert line["ofSession"] == str(going.session_id)
        assert "userId" not in line

    @pytest.mark.parametrize("key", [None, "a-key"])
    async def test_also_a_moment_later_if_the_next_one_was_used(self, key: str | None) -> None:
        world, _, going = await _world()
        second = await _prolong(world, going.refresh_token, "a-key")
        third = await _prolong(world, second, "another-key")
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, going.refresh_token, key)
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, third)
        assert _ends(world) == [(going.session_id, "refresh_token_reused")]

    async def test_it_is_told_once(self) -> None:
        world, _, going = await _world()
        await _prolong(world, going.refresh_token)
        world.now.move(minutes=1)
        for _ in range(3):
            with pytest.raises(InvalidRefreshToken):
                await _prolong(world, going.refresh_token)
        assert len(_ends(world)) == 1
        assert [type(event) for event in world.events].count(RefreshTokenReused) == 1

    async def test_what_is_sealed_is_gone_when_it_is_not_needed(self) -> None:
        world, _, going = await _world()
        second = await _prolong(world, going.refresh_token, "a-key")
        tokens = world.session_store.tokens
        assert tokens[digest(going.refresh_token)].sealed_successor is not None
        await _prolong(world, second, "a-key")
        assert tokens[digest(going.refresh_token)].sealed_successor is None

    def test_what_is_sealed_opens_for_who_has_the_token(self) -> None:
        token, successor = new_token(), new_token()
        sealed = seal(successor, token)
        assert successor.encode() not in sealed
        assert unseal(sealed, token) == successor
        assert unseal(sealed, new_token()) is None
        assert seal(successor, token) != sealed


class TestEnding:
    """A session that has ended goes on the deny list, in the same moment."""

    async def test_logging_out(self) -> None:
        world, user, going = await _world()
        world.now.move(minutes=5)
        with use(RequestContext(context_id="test-context", service="auth")):
            await world.sessions.log_out(going.refresh_token)
            assert current().actor == str(user.id)
        event = world.events[-1]
        assert isinstance(event, SessionEnded)
        (session,) = world.session_store.sessions.values()
        assert event == SessionEnded(
            session_id=going.session_id,
            user_id=user.id,
            reason="logout",
            access_until=session.access_until,
        )
        assert session.access_until - session.created_at == timedelta(seconds=605)
        assert world.steps == ["open", "publish", "commit"]
        assert str(going.session_id) in world.deny_list
        assert world.denied.denied == {str(going.session_id): session.access_until.timestamp()}
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, going.refresh_token)

    async def test_with_a_token_that_was_used(self) -> None:
        world, _, going = await _world()
        second = await _prolong(world, going.refresh_token)
        world.now.move(minutes=1)
        await world.sessions.log_out(going.refresh_token)
        with pytest.raises(InvalidRefreshToken):
            await _prolong(world, second)
        assert _ends(world) == [(going.session_id, "logout")]

    async def test_again_or_with_nothing(self) -> None:
        world, _, going = await _world()
        for token in (going.refresh_token, going.refresh_token, new_token(), ""):
            await world.sessions.log_out(token)
        assert len(_ends(world)) == 1

    async def test_one_that_has_no_valid_token_any_more_need_not_be_denied(self) -> None:
        world, _, going = await _world()
        world.now.move(seconds=605)
        await world.sessions.log_out(going.refresh_token)
        assert _ends(world)
        assert str(going.session_id) not in world.deny_list
        assert world.denied.denied == {}

    async def test_one_of_the_list(self) -> None:
        world, user, going = await _world()
        other = await world.going(user)
        await world.sessions.end(user.id, other.session_id)
        assert _ends(world) == [(other.session_id, "revoked")]
        assert await _prolong(world, going.refresh_token)
        for session_id in (other.session_id, uuid4()):
            with pytest.raises(SessionNotFound):
                await world.sessions.end(user.id, session_id)

    async def test_nobody_ends_anothers(self) -> None:
        world, _, going = await _world()
        eve = await world.create("eve")
        with pytest.raises(SessionNotFound):
            await world.sessions.end(eve.id, going.session_id)
        assert await _prolong(world, going.refresh_token)

    async def test_all_of_them_or_all_but_one(self) -> None:
        world, user, going = await _world()
        others = {(await world.going(user)).session_id for _ in range(2)}
        eve = await world.going(await world.create("eve"))
        reason = EndReason.PASSWORD_CHANGED
        ended = await world.sessions.end_all(user.id, reason=reason, except_=going.session_id)
        assert ended == 2
        assert set(_ends(world)) == {(other, "password_changed") for other in others}
        assert await world.sessions.end_all(user.id, reason=EndReason.LOGOUT_EVERYWHERE) == 1
        assert await world.sessions.end_all(user.id, reason=EndReason.LOGOUT_EVERYWHERE) == 0
        assert await _prolong(world, eve.refresh_token)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [({"active": False}, "account_deactivated"), (None, "account_deleted")],
    )
    async def test_with_the_account(self, change: dict[str, object] | None, reason: str) -> None:
        world, user, going = await _world()
        admin = principal(await world.create("root", "admin"))
        if change is None:
            await world.administration.delete(admin, user.id, ANY)
        else:
            await world.administration.change(
                admin, user.id, AccountChange.model_validate(change), ANY
            )
        assert _ends(world) == [(going.session_id, reason)]
        assert str(going.session_id) in world.deny_list

    async def test_another_change_of_the_account_ends_none(self) -> None:
        world, user, going = await _world()
        admin = principal(await world.create("root", "admin"))
        change = AccountChange(roles=("support",), active=True)
        await world.administration.change(admin, user.id, change, ANY)
        assert await _prolong(world, going.refresh_token)

    async def test_if_redis_does_not_take_it_this_process_knows_it(self, logged: Logged) -> None:
        world, _, going = await _world()
        world.denied.failure = Unavailable("gone")
        await world.sessions.log_out(going.refresh_token)
        assert str(going.session_id) in world.deny_list
        assert logged.line("session.not_denied_yet")["sessions"] == [str(going.session_id)]
        world.denied.failure = None
        await world.deny_list.refresh()
        assert set(world.denied.denied) == {str(going.session_id)}

    async def test_what_a_crash_has_prevented_the_event_does(self) -> None:
        world, user, going = await _world()
        (handler,) = handlers(world.deny_list)
        assert handler.prepare is not None
        event = SessionEnded(
            session_id=going.session_id,
            user_id=user.id,
            reason="logout",
            access_until=world.now() + timedelta(minutes=10),
        )
        again = SessionEnded.from_json(event.to_json())
        world.denied.failure = Unavailable("gone")
        with pytest.raises(Unavailable):  # and so it comes again
            await handler.prepare(again)
        world.denied.failure = None
        for _ in range(2):
            await handler.handle(again, await handler.prepare(again))
        assert set(world.denied.denied) == {str(going.session_id)}


class TestList:
    """Where one is logged in."""

    async def test_live_ones_the_newest_first_in_pages(self) -> None:
        world, user, first = await _world()
        ids = [first.session_id, *[(await world.going(user)).session_id for _ in range(4)]]
        await world.going(await world.create("eve"))
        await world.sessions.end(user.id, ids.pop(2))
        seen, cursor = [], None
        while True:
            page, cursor = await world.sessions.page(user.id, limit=2, cursor=cursor)
            seen += [session.id for session in page]
            if cursor is None:
                break
        assert seen == ids[::-1]
        world.now.move(days=14)
        assert (await world.sessions.page(user.id, limit=20, cursor=None)) == ([], None)

    async def test_a_cursor_is_its_owners(self) -> None:
        world, user, _ = await _world()
        await world.going(user)
        _, cursor = await world.sessions.page(user.id, limit=1, cursor=None)
        with pytest.raises(InvalidCursor):
            await world.sessions.page(uuid4(), limit=1, cursor=cursor)


async def test_a_session_that_begins_is_told_of_in_the_same_unit_of_work() -> None:
    world = UserWorld()
    user = await world.create()
    world.steps.clear()
    going = await world.going(user)
    assert world.steps == ["open", "publish", "commit"]
    assert world.events[-1] == SessionStarted(session_id=going.session_id, user_id=user.id)
    assert going.refresh_token not in repr(going)
