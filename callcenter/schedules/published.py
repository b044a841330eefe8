"""The State Council's yearly notices on holidays, as the package chinesecalendar has them.

Read when a year is loaded into the table; never asked when a call is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from chinese_calendar.constants import Holiday, holidays, workdays

from callcenter.schedules.work_calendar import DayKind, NamedDay

#: The package names holidays in English; the city speaks of 国庆节.
_CHINESE: Final = {holiday.value: str(holiday.chinese) for holiday in Holiday}
_NATIONAL_DAY: Final = (10, 1)


def published_years() -> frozenset[int]:
    """The years the package has a notice for. (One day may stray into a year before its notice.)"""
    return frozenset(day.year for day in holidays if (day.month, day.day) == _NATIONAL_DAY)


def published_days(year: int) -> Mapping[date, NamedDay]:
    """What the notice for that year lists.

    It may reach back into the December before (2018-12-29 was worked for New Year 2019); those days
    are among them. Empty for a year the package does not know.
    """
    if year not in published_years():
        return {}

    def belongs(day: date) -> bool:
        return day.year == year or (day.year == year - 1 and day.month == 12)

    found = {
        day: NamedDay(DayKind.HOLIDAY, _CHINESE.get(name, name))
        for day, name in holidays.items()
        if belongs(day)
    }
    for day, name in workdays.items():
        if belongs(day):
            found[day] = NamedDay(DayKind.MAKEUP, f"{_CHINESE.get(name, name)}调休")
    return found
