"""Business days, around everything that a calendar has in store."""

from datetime import date, timedelta

import pytest

from services.worker.assessments.calendar import is_business_day, next_business_day

NEW_YEAR = date(2027, 1, 1)  # a Friday
CHRISTMAS = (date(2026, 12, 25), date(2026, 12, 26))  # Friday and Saturday


@pytest.mark.parametrize(
    ("after", "holidays", "expected"),
    [
        pytest.param(date(2026, 11, 23), (), date(2026, 11, 24), id="Monday"),
        pytest.param(date(2026, 11, 19), (), date(2026, 11, 20), id="Thursday"),
        pytest.param(date(2026, 11, 20), (), date(2026, 11, 23), id="Friday"),
        pytest.param(date(2026, 11, 21), (), date(2026, 11, 23), id="Saturday"),
        pytest.param(date(2026, 11, 22), (), date(2026, 11, 23), id="Sunday"),
        pytest.param(date(2026, 11, 30), (), date(2026, 12, 1), id="end of November"),
        pytest.param(date(2026, 7, 31), (), date(2026, 8, 3), id="end of July, a Friday"),
        pytest.param(date(2026, 2, 27), (), date(2026, 3, 2), id="end of February"),
        pytest.param(date(2028, 2, 28), (), date(2028, 2, 29), id="leap day"),
        pytest.param(date(2028, 2, 29), (), date(2028, 3, 1), id="after a leap day"),
        pytest.param(
            date(2026, 11, 23), (date(2026, 11, 24),), date(2026, 11, 25), id="holiday in between"
        ),
        pytest.param(
            date(2026, 11, 20), (date(2026, 11, 23),), date(2026, 11, 24), id="holiday on Monday"
        ),
        pytest.param(
            date(2026, 11, 20), (date(2026, 11, 21),), date(2026, 11, 23), id="holiday on Saturday"
        ),
        pytest.param(
            date(2026, 11, 24), (date(2026, 11, 24),), date(2026, 11, 25), id="placed on a holiday"
        ),
        pytest.param(date(2026, 12, 24), CHRISTMAS, date(2026, 12, 28), id="Christmas"),
        pytest.param(
            date(2026, 4, 30),
            tuple(date(2026, 5, day) for day in (1, 4, 5, 6)),
            date(2026, 5, 7),
            id="Golden Week",
        ),
        pytest.param(
            date(2026, 9, 30),
            tuple(date(2026, 10, day) for day in range(1, 9)),
            date(2026, 10, 9),
            id="a long holiday over a weekend",
        ),
        pytest.param(date(2026, 12, 31), (), date(2027, 1, 1), id="year end, not knowing of it"),
        pytest.param(date(2026, 12, 31), (NEW_YEAR,), date(2027, 1, 4), id="year end"),
        pytest.param(
            date(2026, 12, 30), (date(2026, 12, 31), NEW_YEAR), date(2027, 1, 4), id="bridged"
        ),
    ],
)
def test_the_next_business_day(after: date, holidays: tuple[date, ...], expected: date) -> None:
    assert next_business_day(after, holidays) == expected


def test_it_is_the_first_one_on_every_day_of_some_years() -> None:
    holidays = {date(year, month, 1) for year in (2026, 2027, 2028) for month in range(1, 13)}
    day = date(2026, 1, 1)
    while day < date(2028, 12, 1):
        found = next_business_day(day, holidays)
        assert found > day
        assert is_business_day(found, holidays)
        between = [day + timedelta(n) for n in range(1, (found - day).days)]
        assert not any(is_business_day(skipped, holidays) for skipped in between)
        day += timedelta(1)
