"""What flows use beside their own nodes, read from the rooms it belongs to.

Plain data that can lie on disk (`Resources.as_json`): a process started while the database is away
still knows hours and answers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr import store
from callcenter.ivr.library import Hours, Library, OpenState, SpokenArticle
from callcenter.ivr.model import Flow, InvalidFlow, names_outside, parse_flow
from callcenter.knowledge.document import PlayableArticle
from callcenter.knowledge.edition import CITY_ZONE, moments
from callcenter.knowledge.playable import playable_articles, playable_of_kind
from callcenter.schedules.hours import state_at
from callcenter.schedules.model import Schedule, parse_schedule
from callcenter.schedules.store import schedules_by_name, work_calendar
from callcenter.schedules.work_calendar import WorkCalendar, parse_calendar

log = logging.getLogger(__name__)

#: A call asks only whether it is open now.
_NOT_AHEAD = timedelta(0)


@dataclass(frozen=True)
class Resources:
    """What the rooms had at one moment."""

    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    calendar: WorkCalendar = field(default_factory=lambda: WorkCalendar({}, frozenset()))
    articles: Mapping[str, PlayableArticle] = field(default_factory=dict)
    categories: Mapping[str, Sequence[PlayableArticle]] = field(default_factory=dict)
    zone: ZoneInfo = CITY_ZONE

    def library(self, flows: Mapping[str, tuple[int, Flow]]) -> Library:
        """What a flow may use while it runs."""
        hours = {name: _hours(one, self.calendar) for name, one in self.schedules.items()}
        return Library(
            flows=flows,
            hours=hours,
            articles={name: self._spoken(one) for name, one in self.articles.items()},
            categories={
                kind: [self._spoken(one) for one in offered]
                for kind, offered in self.categories.items()
            },
        )

    def _spoken(self, article: PlayableArticle) -> SpokenArticle:
        begin, end = moments(article, self.zone)
        return SpokenArticle(
            article.name,
            article.version,
            article.titles,
            article.texts,
            article.recorded,
            begin,
            end,
        )

    def everyone(self) -> list[PlayableArticle]:
        """Every article, those of the categories too."""
        return [*self.articles.values(), *chain.from_iterable(self.categories.values())]

    def texts(self) -> set[tuple[str, str]]:
        """Every (language, text) of the articles, titles included."""
        return {
            pair
            for article in self.everyone()
            for pair in (*article.texts.items(), *article.titles.items())
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "schedules": [schedule.as_json() for schedule in self.schedules.values()],
            "calendar": self.calendar.as_json(),
            "articles": [article.as_json() for article in self.articles.values()],
            "categories": {
                kind: [article.as_json() for article in offered]
                for kind, offered in self.categories.items()
            },
        }


def parse_resources(document: Mapping[str, Any], zone: ZoneInfo) -> Resources:
    """What `as_json` gave. Raises KeyError, TypeError, ValueError, `HotlineError` for anything
    else.
    """
    schedules = [parse_schedule(one) for one in document["schedules"]]
    articles = [PlayableArticle.from_json(one) for one in document["articles"]]
    return Resources(
        articles={one.name: one for one in articles},
        categories={
            str(kind): [PlayableArticle.from_json(one) for one in offered]
            for kind, offered in document["categories"].items()
        },
        zone=zone,
        schedules={one.name: one for one in schedules},
        calendar=parse_calendar(document["calendar"]),
    )


async def read_resources(
    connection: AsyncConnection,
    flows: Iterable[Flow],
    *,
    at: datetime,
    zone: ZoneInfo,
    schedules: Iterable[str] = (),
) -> Resources:
    """What these flows name, and these schedules, as it is at this moment (aware)."""
    names: dict[str, set[str]] = {"schedule": set(schedules)}
    for flow in flows:
        for kind, name in names_outside(flow):
            names.setdefault(kind, set()).add(name)
    return Resources(
        schedules=await schedules_by_name(connection, names["schedule"]),
        calendar=await work_calendar(connection),
        articles=await playable_articles(connection, names.get("article", ()), at=at, zone=zone),
        categories={
            kind: await playable_of_kind(connection, kind, at=at, zone=zone)
            for kind in sorted(names.get("category", ()))
        },
        zone=zone,
    )


async def active_flows(connection: AsyncConnection) -> Mapping[str, tuple[int, Flow]]:
    """Every published flow in the version callers hear."""
    active = await store.active_versions(connection)
    found = readable(await store.definitions_of(connection, sorted(active.items())))
    return {
        flow: (version, found[flow, version])
        for flow, version in active.items()
        if (flow, version) in found
    }


def readable(
    definitions: Mapping[tuple[str, int], Mapping[str, Any]],
) -> dict[tuple[str, int], Flow]:
    """Those that today's rules allow. One that an older release allowed must not take the others
    with it: its callers reach a person.
    """
    flows: dict[tuple[str, int], Flow] = {}
    for (name, version), definition in definitions.items():
        try:
            flows[name, version] = parse_flow(definition)
        except InvalidFlow:
            log.error("flow %s version %d breaks a rule: callers do not hear it", name, version)
    return flows


def _hours(schedule: Schedule, calendar: WorkCalendar) -> Hours:
    def state(at: datetime) -> OpenState:
        found = state_at(schedule, calendar, at, ahead=_NOT_AHEAD)
        return OpenState(found.open, found.holiday)

    return state
