"""Business days."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


def is_business_day(day: date, holidays: Collection[date]) -> bool:
    """Whether `day` is neither a Saturday, nor a Sunday, nor one of the holidays."""
    return day.weekday() < _SATURDAY and day not in holidays


def next_business_day(after: date, holidays: Collection[date]) -> date:
    """The first business day that is later than `after`.

    It is right as far as the holidays reach: if it lies in a year whose holidays are not among
    them, ask again with them.
    """
    day = after + _DAY
    while not is_business_day(day, holidays):
        day += _DAY
    return day
