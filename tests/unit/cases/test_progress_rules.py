"""What a try to hear how a case stands comes to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.cases.model import CaseState
from callcenter.cases.progress_model import (
    FailedTries,
    Progress,
    ProgressFacts,
    TryLimits,
    TryOutcome,
    judge,
)

pytestmark = pytest.mark.unit

LIMITS = TryLimits()
OPEN = Progress(CaseState.OPEN, datetime(2026, 3, 2, tzinfo=UTC))
FACTS = ProgressFacts(progress=OPEN, numbers=("+8613800138000", "+8613900139111"))
NOBODY = ProgressFacts(progress=None, numbers=())
OWN = "+8613800138000"
OTHER = "+8613700137222"


def outcome(
    last_four: str,
    *,
    facts: ProgressFacts = FACTS,
    caller: str | None = OTHER,
    of_case: int = 0,
    of_caller: int = 0,
) -> TryOutcome:
    failed = FailedTries(of_case=of_case, of_caller=of_caller)
    return judge(facts, last_four, caller=caller, failed=failed, limits=LIMITS)


@pytest.mark.parametrize("last_four", ["8000", "9111"])
@pytest.mark.parametrize("caller", [OWN, OTHER, None])
def test_the_last_four_digits_of_any_of_its_callers_are_right(
    last_four: str, caller: str | None
) -> None:
    assert outcome(last_four, caller=caller) is TryOutcome.TOLD


@pytest.mark.parametrize(
    "last_four",
    ["", "0", "000", "8001", "0800", "18000", "8000 ", "８０００", "....", "----", "\x00"],
)
def test_other_digits_are_wrong_even_for_a_caller_of_the_case(last_four: str) -> None:
    assert outcome(last_four, caller=OWN) is TryOutcome.FAILED


def test_a_case_without_callers_numbers_is_told_to_nobody() -> None:
    facts = ProgressFacts(progress=OPEN, numbers=())
    for number in range(10_000):
        assert outcome(f"{number:04d}", facts=facts) is TryOutcome.FAILED


@given(st.text(max_size=8), st.sampled_from([OWN, OTHER, None]), st.integers(0, 99))
def test_where_there_is_no_case_every_try_fails(
    last_four: str, caller: str | None, failures: int
) -> None:
    assert outcome(
        last_four, facts=NOBODY, caller=caller, of_case=failures, of_caller=failures
    ) is (TryOutcome.FAILED)


def test_from_the_limit_on_right_digits_are_locked_and_wrong_ones_fail_as_ever() -> None:
    assert outcome("8000", of_case=LIMITS.per_case - 1) is TryOutcome.TOLD
    assert outcome("8000", of_case=LIMITS.per_case) is TryOutcome.LOCKED
    assert outcome("8001", of_case=LIMITS.per_case) is TryOutcome.FAILED
    assert outcome("8000", of_caller=LIMITS.per_caller - 1) is TryOutcome.TOLD
    assert outcome("8000", of_caller=LIMITS.per_caller) is TryOutcome.LOCKED


def test_callers_without_a_number_share_a_higher_limit() -> None:
    assert outcome("8000", caller=None, of_caller=LIMITS.withheld - 1) is TryOutcome.TOLD
    assert outcome("8000", caller=None, of_caller=LIMITS.withheld) is TryOutcome.LOCKED


def test_a_caller_whose_own_number_is_linked_is_never_locked_out() -> None:
    assert outcome("8000", caller=OWN, of_case=999, of_caller=999) is TryOutcome.TOLD
    assert outcome("9111", caller=OWN, of_case=999) is TryOutcome.TOLD
