"""Erlang's models against published values (DOMAIN §7.3: pyworkforce, CRAN ErlangC, tables)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.reports.staffing.erlang import (
    Service,
    agents_needed,
    blocking,
    seats,
    trunks_needed,
    with_endless_patience,
    with_patience,
)

pytestmark = pytest.mark.unit

HANDLING = timedelta(seconds=180)
WITHIN = timedelta(seconds=20)
LOAD = 100 / 1800 * 180


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_erlang_c_is_what_the_published_example_says() -> None:
    found = with_endless_patience(LOAD, HANDLING, 14, WITHIN)
    assert found is not None
    assert found.waits == close(0.174132)
    assert found.answered_within == close(0.888350)
    assert found.mean_wait.total_seconds() == close(7.835937)
    assert found.occupancy == close(0.714286)
    assert seats(14, 0.3) == 20


def test_erlang_a_is_what_the_published_example_says() -> None:
    found = with_patience(LOAD, HANDLING, 14, WITHIN, timedelta(seconds=300))
    assert found.waits == close(0.145260)
    assert found.abandoned == close(0.013984)
    assert found.occupancy == close(0.704297)
    assert found.mean_wait / timedelta(minutes=1) == close(0.069919)
    assert found.answered_within == close(0.916792)


@pytest.mark.parametrize(
    ("load", "trunks", "lost"),
    [
        (1, 1, 0.5),
        (1, 2, 0.2),
        (10, 14, 0.056819),
        (10, 15, 0.036497),
        (10, 17, 0.012949),
        (10, 18, 0.007142),
        (10, 20, 0.001869),
    ],
)
def test_erlang_b(load: float, trunks: int, lost: float) -> None:
    assert blocking(load, trunks) == close(lost)


@pytest.mark.parametrize(
    ("load", "trunks"),
    [(1, 5), (2, 7), (5, 11), (10, 18), (20, 30), (30, 42), (50, 64), (100, 117)],
)
def test_trunks_for_one_lost_call_in_a_hundred(load: float, trunks: int) -> None:
    assert trunks_needed(load, 0.01) == trunks


@pytest.mark.parametrize(
    ("calls", "for_80", "for_95"),
    [
        (5, 3, 3),
        (10, 4, 5),
        (20, 6, 7),
        (30, 8, 10),
        (50, 12, 14),
        (100, 21, 24),
        (200, 39, 43),
        (300, 57, 61),
    ],
)
def test_agents_for_half_an_hour_of_calls_of_five_minutes(
    calls: int, for_80: int, for_95: int
) -> None:
    handling = timedelta(seconds=300)

    def service(agents: int) -> Service | None:
        return with_endless_patience(calls / 1800 * 300, handling, agents, WITHIN)

    assert agents_needed(service, 0.80).agents == for_80
    assert agents_needed(service, 0.95).agents == for_95
    busy = agents_needed(service, 0.80, most_busy=0.5)
    assert busy.occupancy <= 0.5
    fewer = service(busy.agents - 1)
    assert fewer is None or fewer.occupancy > 0.5 or fewer.answered_within < 0.8


def test_a_load_beyond_all_reason_is_refused() -> None:
    with pytest.raises(InvalidField):
        trunks_needed(100_000, 0.01)
    with pytest.raises(InvalidField):
        agents_needed(lambda n: with_endless_patience(9_000, HANDLING, n, WITHIN), 0.8)


@settings(deadline=None, max_examples=60)  # seconds are the machine's matter
@given(
    load=st.floats(0.05, 400),
    agents=st.integers(1, 450),
    patience=st.floats(1, 5_000),
    threshold=st.floats(0, 200),
)
def test_erlang_a_stays_within_its_bounds_and_between_lost_and_endless_patience(
    load: float, agents: int, patience: float, threshold: float
) -> None:
    within = timedelta(seconds=threshold)
    found = with_patience(load, HANDLING, agents, within, timedelta(seconds=patience))
    assert 0 <= found.abandoned <= 1
    assert 0 <= found.occupancy <= 1 + 1e-9
    assert -1e-9 <= found.answered_within <= 1 + 1e-9
    # What is answered is what keeps the agents busy.
    assert found.occupancy * agents == pytest.approx(load * (1 - found.abandoned), rel=1e-6)
    endless = with_endless_patience(load, HANDLING, agents, within)
    if endless is not None:
        assert found.waits <= endless.waits + 1e-9
        assert found.abandoned <= blocking(load, agents) + 1e-9


def test_without_patience_to_speak_of_erlang_a_becomes_erlang_b() -> None:
    found = with_patience(LOAD, HANDLING, 14, WITHIN, timedelta(milliseconds=10))
    assert found.abandoned == pytest.approx(blocking(LOAD, 14), abs=1e-4)


def test_a_queue_that_nobody_could_compute_is_refused() -> None:
    with pytest.raises(InvalidField, match="calls come in that time"):
        with_patience(5_000, timedelta(seconds=1), 5_000, WITHIN, timedelta(days=1))


def test_with_endless_patience_erlang_a_becomes_erlang_c() -> None:
    found = with_patience(LOAD, HANDLING, 14, WITHIN, timedelta(days=10))
    endless = with_endless_patience(LOAD, HANDLING, 14, WITHIN)
    assert endless is not None
    assert found.answered_within == pytest.approx(endless.answered_within, abs=1e-3)
    service = partial(with_patience, LOAD, HANDLING, threshold=WITHIN, patience=HANDLING)
    assert agents_needed(service, 0.9).agents <= 15
