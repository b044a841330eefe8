"""What callers did with articles, concluded from their paths."""

from __future__ import annotations

from typing import Any

import pytest

from callcenter.ivr.plays import heard_articles

pytestmark = pytest.mark.unit

READ: dict[str, Any] = {"node": "a", "key": None, "led_by": "flow", "about": "article/fees/3"}


def outcomes(*after: dict[str, Any], queued: bool = False, hung_up: bool = True) -> list[str]:
    path = [READ, *after]
    at = "2026-11-24T10:00:00+00:00"
    steps = [{"about": "", "at": at, "key": None, "led_by": "flow", **step} for step in path]
    found = list(heard_articles(steps, queued=queued, hung_up=hung_up))
    assert all((one.article, one.version) == ("fees", 3) for one in found)
    return [one.outcome for one in found]


@pytest.mark.parametrize(
    ("after", "more", "told"),
    [
        ([], {}, ["hung_up"]),
        ([], {"queued": True}, ["asked_person"]),
        ([], {"hung_up": False}, ["finished"]),
        ([{"node": "m", "led_by": "silence"}], {}, ["finished"]),
        ([{"node": "m", "led_by": "key", "key": "2"}], {}, ["skipped"]),
        ([{"node": ".person", "led_by": "key", "key": "0"}], {}, ["asked_person"]),
        (
            [{"node": "m", "led_by": "silence"}, {"node": "p", "led_by": "key", "key": "0"}],
            {"queued": True},
            ["asked_person"],
        ),
        ([READ | {"led_by": "key", "key": "1"}], {}, ["repeated", "hung_up"]),
        (
            [{"node": "f", "led_by": "key", "key": "3"}, {"node": "f", "about": "fax/ordered"}],
            {},
            ["faxed"],
        ),
    ],
)
def test_each_reading_has_one_outcome(
    after: list[dict[str, Any]], more: dict[str, bool], told: list[str]
) -> None:
    assert outcomes(*after, **more) == told


def test_what_names_no_article_is_none() -> None:
    step = {"node": "n", "about": "notice/recording/1", "at": "2026-11-24T10:00:00+00:00"}
    assert list(heard_articles([step, {"node": "x"}], queued=False, hung_up=True)) == []
