"""Which flow the next caller of a line hears.

At the start of each call one cheap query asks for the stamp that every change of what callers hear
raises (`ivr_stamp`): is it the one in memory, nothing is read at all; otherwise everything is read
anew, so that the next caller after a publication hears it. Definitions are immutable by (flow,
version) and kept. Without an answer from the database within `LOOKUP_LIMIT` the last known state
serves; it lies on disk too, so that a process started while the database is away still has a menu.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr import store
from callcenter.ivr.conversation import Plan
from callcenter.ivr.library import Library
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.resources import Resources, parse_resources, read_resources, readable
from callcenter.ivr.store import LineRule
from callcenter.knowledge.edition import CITY_ZONE
from callcenter.platform.clock import Clock, system_clock
from callcenter.platform.db import Database
from callcenter.platform.deadline import at_most
from callcenter.platform.errors import HotlineError, Refused
from callcenter.platform.files import put_whole
from callcenter.platform.news import listen

#: How long a caller may wait for the database before the last known menu is taken.
LOOKUP_LIMIT: Final = timedelta(milliseconds=300)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Straight:
    """No menu: the caller goes to a person. `why` as in `EnterQueue`; language None: unknown."""

    queue: str
    language: str | None
    why: str


@dataclass(frozen=True)
class Known:
    """All that a call may need, as it was at `stamp`."""

    stamp: int = 0
    rules: Mapping[str, LineRule] = field(default_factory=dict)
    flows: Mapping[tuple[str, int], Flow] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)  # flow → active version
    resources: Resources = field(default_factory=Resources)

    @cached_property
    def library(self) -> Library:
        """What any of the flows may use while it runs."""
        flows = {
            name: (version, self.flows[name, version])
            for name, version in self.active.items()
            if (name, version) in self.flows
        }
        return self.resources.library(flows)

    def plan(self, line: str) -> Plan | Straight | None:
        """What this line does with its next caller; None for a line nobody knows."""
        rule = self.rules.get(line)
        if rule is None:
            return None
        if rule.mode == "direct":
            return Straight(rule.queue, rule.language, "direct")
        flow = None if rule.version is None else self.flows.get((rule.flow, rule.version))
        if flow is None or rule.version is None:
            return Straight(rule.queue, rule.language, "no_flow")
        return Plan(rule.flow, rule.version, flow, rule.queue, rule.language, self.library)


class FlowCache:
    """Plans by line. `file` is where the last known state is kept, `default_queue` the last
    resort for a line nobody knows.
    """

    def __init__(
        self,
        database: Database,
        file: Path,
        *,
        default_queue: str = "general",
        limit: timedelta = LOOKUP_LIMIT,
        clock: Clock = system_clock,
        zone: ZoneInfo = CITY_ZONE,
    ) -> None:
        self._database = database
        self._file = file
        self.default_queue = default_queue
        self._limit = limit
        self._clock = clock
        self._zone = zone
        self._known = Known()
        self._written = ""
        self._reading = asyncio.Lock()
        #: How many calls were served from memory because the database did not answer.
        self.served_from_memory = 0

    async def plan_for(self, line: str) -> Plan | Straight:
        """What the next caller of this line hears. Never raises, never waits longer than the
        limit.
        """
        try:
            await at_most(self._limit, self._catch_up(), name="ivr-lookup")
        except Exception as exc:  # whatever it is, the caller has called now
            self.served_from_memory += 1
            log.warning(
                "no answer about line from the database (%s): %s",
                type(exc).__name__,
                "the last known menu serves"
                if line in self._known.rules
                else "nothing known, straight to a person",
            )
        return self._known.plan(line) or Straight(self.default_queue, None, "no_line")

    def is_open(self, schedule: str, at: datetime) -> bool:
        """Whether a schedule is open; True for one that is not known: nobody is sent away by
        mistake.
        """
        hours = self._known.library.hours.get(schedule)
        return hours is None or hours(at).is_open

    async def _catch_up(self) -> None:
        """Read everything anew unless nothing has changed since."""
        async with self._database.transaction() as connection:
            if await store.stamp(connection) == self._known.stamp:
                return
        await self.refresh()

    async def refresh(self) -> None:
        """Read every line and what it needs. Raises `DatabaseUnavailable`."""
        # A burst of calls after a publication reads once.
        async with self._reading, self._database.transaction() as connection:
            # First the stamp: what changes while we read makes it differ again.
            stamp = await store.stamp(connection)
            if stamp == self._known.stamp:
                return
            self._known = await self._read(connection, stamp)
        await self._save()

    async def _read(self, connection: AsyncConnection, stamp: int) -> Known:
        rules = await store.all_line_rules(connection)
        active = await store.active_versions(connection)
        wanted = _wanted(active, rules)
        before = self._known.flows
        missing = sorted(wanted - before.keys())
        found = await store.definitions_of(connection, missing)
        flows = {key: flow for key, flow in before.items() if key in wanted}
        flows |= readable(found)
        by_lines = await store.schedules_of_lines(connection)
        try:
            resources = await read_resources(
                connection, flows.values(), at=self._clock(), zone=self._zone, schedules=by_lines
            )
        except Refused as exc:
            # A row that breaks today's rules: callers hear the flows that were published all the
            # same, with the hours and answers that were known before.
            log.error("cannot read what flows use: %s", type(exc).__name__)
            resources = self._known.resources
        return Known(stamp, {rule.number: rule for rule in rules}, flows, active, resources)

    async def follow(self) -> None:
        """Keep up with the news, for ever. To be supervised."""
        async for _news in listen(self._database):
            try:
                await self._catch_up()
            except HotlineError as exc:
                log.warning("cannot read the flows of the lines now: %s", type(exc).__name__)

    async def _save(self) -> None:
        known = self._known
        state = {
            "stamp": known.stamp,
            "lines": [asdict(known.rules[number]) for number in sorted(known.rules)],
            "active": known.active,
            "resources": known.resources.as_json(),
            "versions": [
                {"flow": flow, "version": version, "definition": definition.as_json()}
                for (flow, version), definition in sorted(known.flows.items())
            ],
        }
        text = json.dumps(state, ensure_ascii=False)
        if text == self._written:
            return
        try:
            # Several `agi` processes share the file.
            await asyncio.to_thread(put_whole, self._file, text.encode())
        except OSError as exc:
            log.error("cannot keep the last known menus in %s: %s", self._file, exc.strerror)
        else:
            self._written = text

    def load(self) -> bool:
        """Take up what was last known. False when there is nothing readable. Blocking, at start."""
        try:
            state = json.loads(self._file.read_text("utf-8"))
            rules = [LineRule(**rule) for rule in state["lines"]]
            active = {str(flow): int(version) for flow, version in state["active"].items()}
            flows = {
                (entry["flow"], entry["version"]): parse_flow(entry["definition"])
                for entry in state["versions"]
            }
            resources = parse_resources(state["resources"], self._zone)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, KeyError, AttributeError, HotlineError) as exc:
            log.warning("cannot use %s: %s", self._file, type(exc).__name__)
            return False
        # Stamp 0 is nobody's: the first call reads anew.
        self._known = Known(0, {rule.number: rule for rule in rules}, flows, active, resources)
        return True


def _wanted(active: Mapping[str, int], rules: Iterable[LineRule]) -> set[tuple[str, int]]:
    """The versions that are heard: those of lines, and every active one, which another flow may
    run.
    """
    lines = {(rule.flow, rule.version) for rule in rules if rule.version is not None}
    return lines | set(active.items())
