"""What the studio does with a flow besides editing it: simulate, replay, compare, count."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.conversation import Plan
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.resources import active_flows, read_resources
from callcenter.ivr.service import FlowService, NoSuchVersion
from callcenter.ivr.store import definitions_of
from callcenter.ivr.studio import store
from callcenter.ivr.studio.difference import Difference, difference
from callcenter.ivr.studio.replay import PastCall, Replayed, replay
from callcenter.ivr.studio.simulation import Hearing, Press, Simulated, simulate
from callcenter.ivr.voice import LibraryVoice
from callcenter.knowledge.edition import CITY_ZONE
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.shipped import read_texts, shipped_directory

#: A version by its number, or what is being edited.
Which = int | Literal["draft"]

#: The draft in the steps of a simulation.
DRAFT: Final = 0
#: Longest stretch of time figures and replays look at.
LONGEST: Final = timedelta(days=400)
_BYTES_PER_SECOND: Final = 16_000  # 8 kHz, 16 bit
_WAV_HEADER: Final = 44


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What happened at one node of one version."""

    node: str
    entered: int
    left_by: Mapping[str, int]
    timed_out: int
    went_on: int
    wrong_keys: int
    hung_up: int
    ended_here: int
    calls: int
    went_to_a_person: int
    reached_a_person: int
    seconds: float
    median_seconds: float


class StudioService:
    """Use cases of the REST API; nothing here changes what callers hear."""

    def __init__(
        self,
        database: Database,
        flows: FlowService,
        library: PromptLibrary,
        clock: Clock,
        *,
        zone: ZoneInfo = CITY_ZONE,
    ) -> None:
        self._database = database
        self._flows = flows
        self._clock = clock
        self._zone = zone
        self._library = library
        self._voice = LibraryVoice(library)
        self._texts: dict[tuple[str, str], str] = {}
        self._lengths: dict[Path, float] = {}

    async def flow(self, name: str, which: Which) -> Flow:
        """Raises `NoSuchFlow`, `NoDraft`, `NoSuchVersion`."""
        if which == "draft":
            return parse_flow((await self._flows.draft(name)).definition)
        version = await self._flows.version(name, which)
        return parse_flow(version.definition)

    async def difference(self, name: str, before: Which, after: Which) -> Difference:
        """Raises `NoSuchFlow`, `NoDraft`, `NoSuchVersion`."""
        return difference(await self.flow(name, before), await self.flow(name, after))

    async def simulate(
        self,
        name: str,
        which: Which,
        presses: Sequence[Press],
        *,
        language: str | None,
        at: datetime | None,
        caller: str | None,
        line: str | None,
        case_found: bool,
    ) -> Simulated:
        """Lead a caller who presses these keys through a version, by the phone's own runner.

        Raises `NoSuchFlow`, `NoDraft`, `NoSuchVersion`.
        """
        flow = await self.flow(name, which)
        async with self._database.transaction() as connection:
            plan, number = await self._plan(connection, name, which, flow)
        if language is not None:
            plan = replace(plan, language=language)
        hearing = await self._hearing()
        return await simulate(
            plan,
            presses,
            at=at or self._clock(),
            line=line or number,
            caller=caller,
            hearing=hearing,
            seconds_of=self._seconds,
            case_told=["case_state_open"] if case_found else None,
        )

    async def replay(
        self, name: str, which: Which, *, begin: datetime, end: datetime, most: int
    ) -> Replayed:
        """Run the keys of past calls through a version. Raises as `simulate` does."""
        _check_stretch(begin, end)
        flow = await self.flow(name, which)
        async with self._database.transaction() as connection:
            rows = await store.past_calls(connection, name, begin=begin, end=end, most=most)
            versions = sorted({row["ivr_version"] for row in rows})
            definitions = await definitions_of(connection, [(name, v) for v in versions])
            heard: dict[int, Plan] = {}
            for (_, version), definition in definitions.items():
                heard[version], _ = await self._plan(
                    connection, name, version, parse_flow(definition)
                )
            other, _ = await self._plan(connection, name, which, flow)
        calls = [_past_call(dict(row), other.language) for row in rows]
        hearing = await self._hearing()
        # Thousands of calls are seconds of work: not on the loop that answers everybody else.
        return await asyncio.to_thread(
            asyncio.run,
            replay(calls, heard=heard, other=other, hearing=hearing, seconds_of=self._seconds),
        )

    async def figures(
        self, name: str, version: int, *, begin: datetime, end: datetime
    ) -> list[NodeFigures]:
        """What happened at each node; nodes in the order of the definition, built-in ones last.

        Raises `NoSuchFlow`, `NoSuchVersion`.
        """
        _check_stretch(begin, end)
        flow = await self.flow(name, version)
        async with self._database.transaction() as connection:
            rows, keys = await store.node_figures(connection, name, version, begin=begin, end=end)
        left: dict[str, dict[str, int]] = {}
        for row in keys:
            left.setdefault(row["node"], {})[row["key"]] = row["times"]
        found = {row["node"]: NodeFigures(**row, left_by=left.get(row["node"], {})) for row in rows}
        empty = dict.fromkeys(_COUNTS, 0)
        order = [*flow.nodes, *sorted(found.keys() - flow.nodes.keys())]
        return [
            found.get(node)
            or NodeFigures(node, left_by={}, seconds=0.0, median_seconds=0.0, **empty)
            for node in order
        ]

    async def _plan(
        self, connection: AsyncConnection, name: str, which: Which, flow: Flow
    ) -> tuple[Plan, str]:
        at_line = await store.where_a_person_is(connection, name)
        number, queue, language = at_line or ("", await store.default_queue(connection), "zh")
        flows = await active_flows(connection)
        used = [one for _, one in flows.values()]
        resources = await read_resources(
            connection, [*used, flow], at=self._clock(), zone=self._zone
        )
        library = resources.library(flows)
        version = DRAFT if which == "draft" else which
        return Plan(name, version, flow, queue, language, library), number

    async def _hearing(self) -> Hearing:
        if not self._texts:
            shipped = await asyncio.to_thread(read_texts, shipped_directory())
            self._texts = {(one.name, one.language): one.text for one in shipped}
        texts = self._texts
        return Hearing(self._voice, lambda name, language: texts.get((name, language)))

    def _seconds(self, path: Path, words: str) -> float:
        """How long a file lasts; about how long its words would, where there is none yet."""
        known = self._lengths.get(path)
        if known is None:
            try:
                known = max(0.0, (path.stat().st_size - _WAV_HEADER) / _BYTES_PER_SECOND)
            except OSError:
                return self._library.estimated(words, path.parent.name).total_seconds()
            if len(self._lengths) > 100_000:
                self._lengths.clear()
            self._lengths[path] = known
        return known


_COUNTS: Final = (
    "entered",
    "timed_out",
    "went_on",
    "wrong_keys",
    "hung_up",
    "ended_here",
    "calls",
    "went_to_a_person",
    "reached_a_person",
)


def _past_call(row: Mapping[str, Any], language: str) -> PastCall:
    return PastCall(
        call_id=row["call_id"],
        started_at=row["started_at"],
        line=row["line"] or "",
        is_caller_known=row["is_caller_known"],
        language=row["line_language"] or language,
        version=row["ivr_version"],
        path=row["ivr_path"],
        hung_up_in_flow=row["hangup_by"] == "caller"
        and row["queued_at"] is None
        and row["disposition"] in ("abandoned", "self_served"),
    )


def _check_stretch(begin: datetime, end: datetime) -> None:
    if end <= begin:
        raise InvalidField("to", "must be after from")
    if end - begin > LONGEST:
        raise InvalidField("from", f"at most {LONGEST.days} days before to")


__all__ = ["DRAFT", "NoSuchVersion", "NodeFigures", "StudioService", "Which"]
