"""Which flow the next caller of a line hears.

At the start of each call one cheap query asks which version is active, so that the next caller
after a publication hears it; definitions are immutable by (flow, version) and kept. Without an
answer from the database within `LOOKUP_LIMIT` the last known rule serves; it lies on disk too, so
that a process started while the database is away still has a menu.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from callcenter.ivr import store
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.runner import Plan
from callcenter.ivr.store import LineRule
from callcenter.platform.db import Database
from callcenter.platform.deadline import at_most
from callcenter.platform.errors import HotlineError
from callcenter.platform.files import put_whole
from callcenter.platform.news import listen

#: How long a caller may wait for the database before the last known menu is taken.
LOOKUP_LIMIT: Final = timedelta(milliseconds=300)
#: Topics after which a line may lead somewhere else.
TOPICS: Final = frozenset({"flow", "line"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Straight:
    """No menu: the caller goes to a person. `why` as in `EnterQueue`; language None: unknown."""

    queue: str
    language: str | None
    why: str


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
    ) -> None:
        self._database = database
        self._file = file
        self.default_queue = default_queue
        self._limit = limit
        self._rules: dict[str, LineRule] = {}
        self._flows: dict[tuple[str, int], Flow] = {}
        self._written = ""
        #: How many calls were served from memory because the database did not answer.
        self.served_from_memory = 0

    async def plan_for(self, line: str) -> Plan | Straight:
        """What the next caller of this line hears. Never raises, never waits longer than the
        limit.
        """
        try:
            rule = await at_most(self._limit, self._look_up(line), name="ivr-lookup")
        except Exception as exc:  # whatever it is, the caller has called now
            rule = self._rules.get(line)
            self.served_from_memory += 1
            log.warning(
                "no answer about line from the database (%s): %s",
                type(exc).__name__,
                "the last known menu serves" if rule else "nothing known, straight to a person",
            )
        if rule is None:
            return Straight(self.default_queue, None, "no_line")
        if rule.mode == "direct":
            return Straight(rule.queue, rule.language, "direct")
        flow = None if rule.version is None else self._flows.get((rule.flow, rule.version))
        if flow is None or rule.version is None:
            return Straight(rule.queue, rule.language, "no_flow")
        return Plan(rule.flow, rule.version, flow, rule.queue, rule.language)

    async def _look_up(self, line: str) -> LineRule | None:
        async with self._database.transaction() as connection:
            rule = await store.line_rule(connection, line)
            missing = self._missing([] if rule is None else [rule])
            found = await store.definitions_of(connection, missing)
        self._keep(found)
        if rule is None:
            self._rules.pop(line, None)
        else:
            self._rules[line] = rule
        return rule

    def _missing(self, rules: Iterable[LineRule]) -> list[tuple[str, int]]:
        return sorted(
            {
                (rule.flow, rule.version)
                for rule in rules
                if rule.version is not None and (rule.flow, rule.version) not in self._flows
            }
        )

    def _keep(self, definitions: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
        for key, definition in definitions.items():
            self._flows[key] = parse_flow(definition)

    async def refresh(self) -> None:
        """Read every line and what it needs, and write it to disk when it changed.

        Raises `DatabaseUnavailable`.
        """
        async with self._database.transaction() as connection:
            rules = await store.all_line_rules(connection)
            found = await store.definitions_of(connection, self._missing(rules))
        self._keep(found)
        self._rules = {rule.number: rule for rule in rules}
        wanted = {(rule.flow, rule.version) for rule in rules}
        self._flows = {key: flow for key, flow in self._flows.items() if key in wanted}
        await self._save()

    async def follow(self) -> None:
        """Keep up with the news, for ever. To be supervised."""
        async for news in listen(self._database):
            if news is not None and news.topic not in TOPICS:
                continue
            try:
                await self.refresh()
            except HotlineError as exc:
                log.warning("cannot read the flows of the lines now: %s", type(exc).__name__)

    async def _save(self) -> None:
        state = {
            "lines": [asdict(self._rules[number]) for number in sorted(self._rules)],
            "versions": [
                {"flow": flow, "version": version, "definition": definition.as_json()}
                for (flow, version), definition in sorted(self._flows.items())
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
            flows = {
                (entry["flow"], entry["version"]): parse_flow(entry["definition"])
                for entry in state["versions"]
            }
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, KeyError, HotlineError) as exc:
            log.warning("cannot use %s: %s", self._file, type(exc).__name__)
            return False
        self._rules = {rule.number: rule for rule in rules}
        self._flows = flows
        return True
