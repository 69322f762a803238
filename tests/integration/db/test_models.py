from datetime import UTC, datetime, timedelta

import pytest

from libs.context import RequestContext, use
from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work
from libs.errors import PreconditionFailed
from tests.integration.db.models import Customer

ALICE = RequestContext(context_id="context-1", service="orders", actor="alice")
BOB = RequestContext(context_id="context-2", service="orders", actor="bob")


async def test_a_new_row_is_filled_in(db: Database) -> None:
    with use(ALICE):
        one = await Customer.create(email="a")
        two = await Customer.create(email="b")
    assert one.id.version == 7
    assert one.id < two.id
    found = await Customer.get(id=one.id)
    assert (found.created_by, found.updated_by, found.version) == ("alice", "alice", 1)
    assert found.deleted_at is None
    assert datetime.now(UTC) - found.created_at < timedelta(seconds=5)
    assert found.created_at.tzinfo is not None


async def test_a_change_is_recorded(db: Database) -> None:
    with use(ALICE):
        customer = await Customer.create(email="a")
    with use(BOB):
        await customer.change(email="b")
    for found in (customer, await Customer.get(id=customer.id)):
        assert (found.email, found.version) == ("b", 2)
        assert (found.created_by, found.updated_by) == ("alice", "bob")
        assert found.updated_at > found.created_at


async def test_a_change_of_what_another_has_changed_is_refused(db: Database) -> None:
    mine = await Customer.create(email="a")
    theirs = await Customer.get(id=mine.id)
    await theirs.change(email="b")
    with pytest.raises(PreconditionFailed):
        await mine.change(email="c")
    assert (mine.email, mine.version) == ("a", 1)
    assert (await Customer.get(id=mine.id)).email == "b"


async def test_a_deleted_row_stays_but_is_not_live(db: Database) -> None:
    customer = await Customer.create(email="a")
    await Customer.create(email="b")
    with use(BOB):
        await customer.soft_delete()
    assert [found.email for found in await Customer.live()] == ["b"]
    found = await Customer.get(id=customer.id)
    assert found.deleted_at is not None
    assert found.updated_by == "bob"
    with pytest.raises(PreconditionFailed):
        await found.change(email="c")


async def test_saving_over_a_row_is_refused(db: Database) -> None:
    customer = Customer(email="a")
    await customer.save()
    with pytest.raises(RuntimeError, match="altered with change"):
        await customer.save()


async def test_a_change_is_part_of_the_unit_of_work(db: Database) -> None:
    customer = await Customer.create(email="a")

    async def work() -> None:
        async with unit_of_work(db):
            await customer.change(email="b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()
    assert (await Customer.get(id=customer.id)).version == 1
