from itertools import pairwise
from uuid import uuid4

import orjson
import pytest

from libs.contracts.auth import UserDeleted, UserUpdated
from libs.errors import PermissionDenied, PreconditionFailed
from libs.web.conditional import Precondition
from libs.web.pagination import InvalidCursor
from services.auth.administration.errors import AdminNoMore, OwnRights
from services.auth.administration.schemas import AccountChange, UserQuery
from services.auth.users.errors import UserNotFound
from services.auth.users.models import User
from tests.unit.auth.factories import UserWorld, new_user, principal, told

ANY = Precondition()


async def _world() -> tuple[UserWorld, User, User]:
    """With an administrator and a customer."""
    world = UserWorld()
    return world, await world.create("root", "admin"), await world.create("ada")


async def test_an_administrator_creates_users_with_roles() -> None:
    world, admin, _ = await _world()
    new = new_user(email="eve@example.com", roles=("support", "customer"))
    answer = await world.administration.create(principal(admin), new, key="key", answer=told)
    assert orjson.loads(answer.body)["roles"] == ["customer", "support"]
    again = await world.administration.create(principal(admin), new, key="key", answer=told)
    assert again.replayed
    (scope,) = world.keys.rows
    assert (scope.actor, scope.route) == (str(admin.id), "POST /v1/users")


async def test_reading_users() -> None:
    world, _, ada = await _world()
    profile = await world.administration.get(ada.id)
    assert orjson.loads(profile.body)["email"] == "ada@example.com"
    with pytest.raises(UserNotFound):
        await world.administration.get(uuid4())


async def test_one_who_is_not_active_is_seen_by_others() -> None:
    world, admin, ada = await _world()
    await world.administration.change(principal(admin), ada.id, AccountChange(active=False), ANY)
    profile = await world.administration.get(ada.id)
    assert not profile.active
    assert orjson.loads(profile.body)["active"] is False


async def test_changing_anything_is_told() -> None:
    world, admin, ada = await _world()
    change = AccountChange(display_name="Countess", roles=("support",), active=False)
    changed = await world.administration.change(principal(admin), ada.id, change, ANY)
    assert (changed.display_name, changed.roles, changed.is_active, changed.country) == (
        "Countess",
        ["support"],
        False,
        "DE",
    )
    assert world.events[-1] == UserUpdated(
        user_id=ada.id,
        revision=2,
        display_name="Countess",
        country="DE",
        roles=("support",),
        active=False,
    )


async def test_what_changes_nothing_is_no_change() -> None:
    world, admin, ada = await _world()
    same = AccountChange(display_name="Ada Lovelace", roles=("customer",), active=True)
    for change in (same, AccountChange()):
        changed = await world.administration.change(principal(admin), ada.id, change, ANY)
        assert changed.version == 1
    assert len(world.events) == 2


async def test_deleting_is_told_and_leaves_nothing_to_be_seen() -> None:
    world, admin, ada = await _world()
    await world.administration.get(ada.id)
    await world.administration.delete(principal(admin), ada.id, ANY)
    assert world.events[-1] == UserDeleted(user_id=ada.id, revision=2)
    for attempt in (
        world.administration.get(ada.id),
        world.administration.change(principal(admin), ada.id, AccountChange(), ANY),
        world.administration.delete(principal(admin), ada.id, ANY),
    ):
        with pytest.raises(UserNotFound):
            await attempt
    assert (await world.administration.find(principal(admin), ada.id)).deleted_at is not None


async def test_what_is_meant_for_another_version_is_refused() -> None:
    world, admin, ada = await _world()
    other = Precondition(frozenset({'"7"'}))
    for attempt in (
        world.administration.change(principal(admin), ada.id, AccountChange(country="FR"), other),
        world.administration.delete(principal(admin), ada.id, other),
    ):
        with pytest.raises(PreconditionFailed):
            await attempt
    assert len(world.events) == 2


@pytest.mark.parametrize(
    "change", [AccountChange(roles=("customer",)), AccountChange(active=False, country="FR")]
)
async def test_nobody_changes_their_own_rights(change: AccountChange) -> None:
    world, admin, _ = await _world()
    with pytest.raises(OwnRights):
        await world.administration.change(principal(admin), admin.id, change, ANY)
    assert (admin.roles, admin.is_active, admin.version) == (["admin"], True, 1)


async def test_nobody_deletes_themselves() -> None:
    world, admin, _ = await _world()
    with pytest.raises(OwnRights):
        await world.administration.delete(principal(admin), admin.id, ANY)
    assert admin.deleted_at is None


async def test_an_administrator_may_change_their_own_name() -> None:
    world, admin, _ = await _world()
    change = AccountChange(display_name="Root", roles=("admin",), active=True)
    changed = await world.administration.change(principal(admin), admin.id, change, ANY)
    assert (changed.display_name, changed.version) == ("Root", 2)


@pytest.mark.parametrize("loss", [{"roles": ("customer",)}, {"active": False}, None])
async def test_a_token_does_not_outlive_the_rights_to_write(loss: dict[str, object] | None) -> None:
    world, admin, ada = await _world()
    former = await world.create("former", "admin")
    token = principal(former)
    if loss is None:
        await world.administration.delete(principal(admin), former.id, ANY)
    else:
        change = AccountChange.model_validate(loss)
        await world.administration.change(principal(admin), former.id, change, ANY)
    for attempt in (
        world.administration.create(token, new_user(), key=None, answer=told),
        world.administration.change(token, admin.id, AccountChange(roles=("customer",)), ANY),
        world.administration.change(token, ada.id, AccountChange(country="FR"), ANY),
        world.administration.delete(token, admin.id, ANY),
    ):
        with pytest.raises(AdminNoMore):
            await attempt
    assert admin.is_superuser


async def test_pages_have_everybody_once() -> None:
    world = UserWorld()
    users = [await world.create(name) for name in "cbade"]
    admin = principal(await world.create("z", "admin"))
    for sort, expected in (("createdAt", "zedabc"), ("email", "abcdez")):
        query, seen = UserQuery.model_validate({"sort": sort, "limit": 2}), ""
        while True:
            page, cursor = await world.administration.page(admin, query)
            seen += "".join(user.email[0] for user in page)
            if cursor is None:
                break
            query = query.model_copy(update={"cursor": cursor})
        assert seen == expected
    assert all(one.created_at <= two.created_at for one, two in pairwise(users))


async def test_filters() -> None:
    world, admin, _ = await _world()
    gone = await world.create("gone")
    await world.repository.delete(gone)

    async def found(**query: object) -> set[str]:
        page, _ = await world.administration.page(principal(admin), UserQuery.model_validate(query))
        return {user.email.partition("@")[0] for user in page}

    assert await found() == {"root", "ada"}
    assert await found(role="admin") == {"root"}
    assert await found(email="ADA@example.com") == {"ada"}
    assert await found(email="gone@example.com") == set()
    assert await found(email="gone@example.com", includeDeleted=True) == {"gone"}
    assert await found(includeDeleted=True) == {"root", "ada", "gone"}


async def test_a_cursor_is_for_one_list_and_shows_no_address() -> None:
    world, admin, _ = await _world()
    asker = principal(admin)
    query = UserQuery.model_validate({"sort": "email", "limit": 1})
    _, cursor = await world.administration.page(asker, query)
    assert cursor is not None
    for change in ({"sort": "createdAt"}, {"role": "admin"}, {"includeDeleted": True}):
        other = UserQuery.model_validate({"sort": "email", **change, "cursor": cursor})
        with pytest.raises(InvalidCursor):
            await world.administration.page(asker, other)
    world.repository.users.clear()
    with pytest.raises(InvalidCursor):  # of somebody nobody has heard of
        await world.administration.page(asker, query.model_copy(update={"cursor": cursor}))


async def test_who_is_deleted_is_for_administrators() -> None:
    world = UserWorld()
    support = principal(await world.create("sue", "support"))
    with pytest.raises(PermissionDenied):
        await world.administration.page(support, UserQuery(include_deleted=True))
    with pytest.raises(PermissionDenied):
        await world.administration.find(support, uuid4())
    assert (await world.administration.page(support, UserQuery()))[0]
