"""The one error tree.

    HotlineError
    ├── Refused            the asker did something a rule forbids; the message names the rule
    │   ├── InvalidField   one named field of the input breaks a rule
    │   │   └── InvalidFields  several do
    │   ├── NotFound       what was named does not exist
    │   ├── Conflict       the wish contradicts what is now true
    │   │   └── Stale      the edit was based on an older version
    │   ├── TooLarge       more bytes than are taken
    │   ├── NotAllowed     the asker's role does not reach this
    │   └── NotAuthenticated
    ├── Unavailable        something of ours or beside us does not answer now; trying again may help
    └── Misconfigured      a setting or file is wrong; says which and how to mend it

The message is written for the person who reads it. None of these knows HTTP: `platform.web` decides
the status, the voice side decides what the caller hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class HotlineError(Exception):
    """Something went wrong in the hotline."""

    #: Stable name, part of the REST contract (`type` of a problem document).
    slug: ClassVar[str] = "error"
    #: What can be done instead, where that is known.
    allowed: tuple[str, ...] | None = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self.args[0])


class Refused(HotlineError):
    """That is not allowed."""

    slug = "refused"


class InvalidField(Refused):
    """A field of the request breaks a rule."""

    slug = "invalid-field"

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}")

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Every (field, rule) that is broken."""
        return ((self.field, self.rule),)


class InvalidFields(InvalidField):
    """Fields of the request break rules."""

    slug = "invalid-field"

    #: More are not worth reading: the first ones are mended first.
    _MOST = 50

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        (field, rule) = problems[0]
        super().__init__(field, rule)
        self._problems = tuple(problems[: self._MOST])
        more = len(problems) - len(self._problems)
        said = "; ".join(f"{name}: {broken}" for name, broken in self._problems)
        self.args = (said + (f"; and {more} more" if more else ""),)

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        return self._problems


class NotFound(Refused):
    """There is no such thing."""

    slug = "not-found"


class Conflict(Refused):
    """That contradicts what is true now."""

    slug = "conflict"


class Stale(Conflict):
    """Somebody changed this since you read it: read it again, then repeat your edit."""

    slug = "stale"


class NotAuthenticated(Refused):
    """Who are you? POST /api/v1/auth/token gives a token; send 'Authorization: Bearer …'."""

    slug = "not-authenticated"


class NotAllowed(Refused):
    """Your role does not reach this."""

    slug = "not-allowed"


class TooLarge(Refused):
    """That is larger than what is taken here."""

    slug = "too-large"


class TooMany(Refused):
    """Too many attempts: wait, then try again."""

    slug = "too-many"


class Unavailable(HotlineError):
    """This cannot be answered now; try again in a moment."""

    slug = "unavailable"


class Misconfigured(HotlineError):
    """A setting is wrong."""

    slug = "misconfigured"
