"""Numbers of other units: all that agents can reach outside.

Pure: standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: What an agent dials.
NUMBER: Final = "[0-9]{2,15}"
#: What the trunk is asked for.
NUMBER_DIALLED: Final = "[+]?[0-9]{2,15}"
MOST_NAME: Final = 100
_NUMBER = re.compile(NUMBER, re.ASCII)
_DIALLED = re.compile(NUMBER_DIALLED, re.ASCII)


class UnitKind(StrEnum):
    """What a number of the directory is."""

    DEPARTMENT = "department"  #: of the city's departments
    EMERGENCY = "emergency"  #: sees the citizen's number, whoever transfers there
    UNIT = "unit"  #: any other: a hospital, a water company


class NoSuchNumber(NotFound):
    """The directory has no such number."""

    slug = "no-such-directory-number"


class NumberTaken(Conflict):
    """That number is in the directory already, or is an agent's."""

    slug = "directory-number-taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEdit:
    """What may be edited. `name_en` and `department` may be empty. `number_dialled` empty: as the
    number itself."""

    name_zh: str
    name_en: str = ""
    department: str = ""
    kind: UnitKind = UnitKind.DEPARTMENT
    number_dialled: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A number as it is kept."""

    number: str
    name_zh: str
    name_en: str
    department: str
    kind: UnitKind
    number_dialled: str
    active: bool
    created_at: datetime
    version: int

    @property
    def name(self) -> str:
        """For a reader: `消防 火警` where the department says more than the name."""
        return f"{self.department} {self.name_zh}".strip()


def checked_number(number: str) -> str:
    """`number` itself. Raises `InvalidField`."""
    if not _NUMBER.fullmatch(number):
        raise InvalidField("number", "2 to 15 digits")
    return number


def checked(number: str, edit: EntryEdit) -> EntryEdit:
    """The edit as it is kept. Raises `InvalidField`."""
    dialled = edit.number_dialled or number
    if not _DIALLED.fullmatch(dialled):
        raise InvalidField("number_dialled", "2 to 15 digits, `+` before them at most")
    return EntryEdit(
        name_zh=plain_text("name.zh", edit.name_zh, least=1, most=MOST_NAME),
        name_en=plain_text("name.en", edit.name_en, most=MOST_NAME),
        department=plain_text("department", edit.department, most=MOST_NAME),
        kind=edit.kind,
        number_dialled=dialled,
        active=edit.active,
    )
