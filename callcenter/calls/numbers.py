"""Telephone numbers: a caller's in one form, and which ones we call, to fax or to call back.

A keyed number costs the city money: only what is allowed is dialled, and everything else is refused
by name of the rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from callcenter.platform.errors import InvalidField

#: Kinds of line that are called. Not premium, shared cost, personal, pager, satellite.
_KINDS: Final = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.TOLL_FREE,
    }
)


class NotDialled(InvalidField):
    """That number is not called."""

    slug = "number-not-allowed"

    def __init__(self, rule: str) -> None:
        super().__init__("number", rule)


DialForm = Literal["national", "e164", "plus"]


@dataclass(frozen=True, slots=True)
class NumberRule:
    """`region` reads national numbers; `prefixes` are E.164 beginnings, empty: the region's own
    country. `form` is how the trunk wants to be told: 053188880001, 8653188880001 or +86…
    `dials`: whether there is a trunk that can be called."""

    region: str
    prefixes: Sequence[str] = ()
    form: DialForm = "national"
    dials: bool = True

    def allowed(self, keyed: str) -> str:
        """The number in E.164. Raises `NotDialled` with the rule it breaks."""
        if not self.dials:
            rule = "no number can be called: the trunk cannot be called (TRUNK_HOST)"
            raise NotDialled(rule)
        if not re.fullmatch(r"\+?[0-9]{3,20}", keyed, re.ASCII):
            raise NotDialled("must be a telephone number: digits, at most 20")
        try:
            number = phonenumbers.parse(keyed, self.region)
        except phonenumbers.NumberParseException:
            raise NotDialled("is no telephone number") from None
        if not phonenumbers.is_valid_number(number) or number.extension:
            raise NotDialled("is no telephone number of the numbering plan")
        if phonenumbers.number_type(number) not in _KINDS:
            raise NotDialled("is of a kind that is not called (premium, shared cost)")
        text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        own = f"+{phonenumbers.country_code_for_region(self.region)}"
        if not text.startswith(tuple(self.prefixes or (own,))):
            raise NotDialled("is not among the prefixes that are called")
        return text

    def dialled(self, number: str) -> str:
        """What the trunk is told: digits only, or with the plus."""
        parsed = phonenumbers.parse(number, None)
        if self.form == "plus":
            return number
        own = phonenumbers.country_code_for_region(self.region)
        if self.form == "e164" or parsed.country_code != own:
            return number.removeprefix("+")
        return as_dialled_here(number)


def normalise_number(text: str, region: str) -> str | None:
    """A caller's number in E.164; what is no public number stays as its digits (1001, 12345).

    None for an empty text and for one that is not a number at all.
    """
    compact = re.sub(r"[\s().-]", "", text)
    if not re.fullmatch(r"\+?[0-9]{2,20}", compact, re.ASCII):
        return None
    try:
        number = phonenumbers.parse(compact, region)
    except phonenumbers.NumberParseException:
        return compact if len(compact) <= 16 else None
    if phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return compact if len(compact) <= 16 else None


def as_dialled_here(number: str) -> str:
    """The digits a caller knows their own number by: without the country's code."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number.removeprefix("+")
    return re.sub(r"[^0-9]", "", phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))
