"""What an order is worth, and when it is due."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from libs.contracts.api import OrderPlaced
from libs.contracts.worker import OrderAssessed
from libs.errors import (
    AppError,
    DeadlineExceeded,
    InvalidInput,
    PermissionDenied,
    RouteNotFound,
    Unauthenticated,
    Unavailable,
)
from libs.events.event import Event
from libs.events.handling import AnyHandler
from services.worker.assessments.errors import UnknownCurrency
from services.worker.assessments.handlers import handlers
from services.worker.assessments.service import Assessments, convert
from tests.unit.worker.fakes import (
    FakeOutbox,
    FakeReference,
    money,
    order_changed,
    order_placed,
)


def _assessments(reference: FakeReference) -> Assessments:
    return Assessments(reference, reporting_currency="USD")


@pytest.mark.parametrize(
    ("amount", "rate", "expected"),
    [
        ("12.50", "1.0868", "13.58"),  # 13.585, to the even 8
        ("37.50", "1.0868", "40.76"),  # 40.755, to the even 6
        ("12.50", "1.08681", "13.59"),  # 13.585125
        ("0.01", "0.5", "0.00"),
        ("0.03", "0.5", "0.02"),
        ("0.00", "1.0868", "0.00"),
        ("100.00", "1", "100.00"),
        ("9999999999999.99", "1.00000000000000000001", "9999999999999.99"),
        # 0.005 and a little more: to an intermediate 28 digits it would be exactly half
        ("0.01", "0.5000000000000000000000000000001", "0.01"),
    ],
)
def test_it_is_rounded_once_half_to_even(amount: str, rate: str, expected: str) -> None:
    converted = convert(money(amount), Decimal(rate), "USD")
    assert (str(converted.amount), converted.currency) == (expected, "USD")


async def test_an_assessment() -> None:
    order = order_placed()
    assert await _assessments(FakeReference()).assess(order) == OrderAssessed(
        order_id=order.order_id,
        reporting_total=money("13.58", "USD"),
        rate=Decimal("1.0868"),
        rate_as_of=date(2026, 11, 19),
        stale=False,
        due_on=date(2026, 11, 23),
    )


@pytest.mark.parametrize(
    ("stale_rate", "stale_days", "expected"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
async def test_it_is_as_stale_as_any_of_the_answers(
    stale_rate: bool, stale_days: bool, expected: bool
) -> None:
    days = frozenset({2026}) if stale_days else frozenset[int]()
    reference = FakeReference(stale_rate=stale_rate, stale_days=days)
    assert (await _assessments(reference).assess(order_placed())).stale is expected


async def test_the_next_years_holidays_are_asked_for_only_at_the_years_end() -> None:
    reference = FakeReference()
    await _assessments(reference).assess(order_placed())
    assert reference.asked == [("rate", "EUR", "USD"), ("holidays", "DE", "2026")]


@pytest.mark.parametrize("stale_year", [2026, 2027])
async def test_across_the_years_end(stale_year: int) -> None:
    reference = FakeReference(stale_days=frozenset({stale_year}))
    order = order_placed(placed_at=datetime(2026, 12, 31, 12, tzinfo=UTC))
    assessed = await _assessments(reference).assess(order)
    assert assessed.due_on == date(2027, 1, 4)  # New Year's Day is a Friday
    assert assessed.stale
    assert reference.asked[1:] == [("holidays", "DE", "2026"), ("holidays", "DE", "2027")]


async def test_the_day_is_that_of_utc() -> None:
    in_tokyo = datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=9)))
    assessed = await _assessments(FakeReference()).assess(order_placed(placed_at=in_tokyo))
    assert assessed.due_on == date(2026, 11, 24)  # in UTC it was still the 23rd


async def test_a_country_that_nobody_knows_has_weekends() -> None:
    assessed = await _assessments(FakeReference()).assess(order_placed(country="ZZ"))
    assert (assessed.due_on, assessed.stale) == (date(2026, 11, 23), False)


@pytest.mark.parametrize("error", [Unavailable(), DeadlineExceeded(), Unauthenticated()])
async def test_an_order_does_not_wait_for_holidays(error: AppError) -> None:
    reference = FakeReference(failing={"holidays": error})
    assessed = await _assessments(reference).assess(order_placed())
    assert (assessed.due_on, assessed.stale) == (date(2026, 11, 23), True)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable(),
        DeadlineExceeded(),
        Unauthenticated(),
        PermissionDenied(),
        RouteNotFound(),
    ],
)
async def test_an_order_waits_for_its_rate(error: AppError) -> None:
    """Whatever keeps us from asking says nothing about the order: no dead letter."""
    reference = FakeReference(failing={"rate": error})
    with pytest.raises(Unavailable):
        await _assessments(reference).assess(order_placed())


async def test_an_unknown_currency_is_the_orders_own_fault() -> None:
    with pytest.raises(UnknownCurrency) as raised:
        await _assessments(FakeReference()).assess(order_placed(total=money("1.00", "XXX")))
    assert isinstance(raised.value, InvalidInput)  # which goes to the dead letters at once


def _handler_of(event: Event, reference: FakeReference, outbox: FakeOutbox) -> AnyHandler:
    found = handlers(_assessments(reference), outbox)
    return next(handler for handler in found if handler.event is type(event))


@pytest.mark.parametrize("order", [order_placed(), order_changed()])
async def test_the_handler_asks_first_and_tells_then(order: OrderPlaced) -> None:
    outbox = FakeOutbox()
    handler = _handler_of(order, FakeReference(), outbox)
    assert handler.prepare is not None
    assessed = await handler.prepare(order)
    assert outbox.events == []
    await handler.handle(order, assessed)
    assert outbox.events == [assessed]
    assert (assessed.order_id, assessed.order_version) == (order.order_id, order.order_version)


async def test_a_change_of_an_order_that_is_not_pending_needs_no_assessment() -> None:
    reference, outbox = FakeReference(), FakeOutbox()
    order = order_changed(status="CONFIRMED")
    handler = _handler_of(order, reference, outbox)
    assert handler.prepare is not None
    await handler.handle(order, await handler.prepare(order))
    assert (reference.asked, outbox.events) == ([], [])


def test_an_event_of_when_orders_could_not_be_changed_is_of_their_first_version() -> None:
    data = order_placed().model_dump(mode="json", exclude={"order_version"})
    assert OrderPlaced.model_validate(data).order_version == 1
