"""Asterisk's queue members as they should be: looked at, mended, looked at again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from callcenter.asterisk import members
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.members import SeenMember
from callcenter.queues.membership import Membership

log = logging.getLogger(__name__)

#: More than so many agents at once are looked at in one list.
_SINGLE_LOOKS: Final = 10

#: By agent: the members Asterisk has.
Looked = Mapping[str, Sequence[SeenMember]]


class KeptMembers:
    """Which members of each agent Asterisk was seen to have as wanted."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami
        self._confirmed: dict[str, frozenset[Membership]] = {}
        #: Fields of members that changed without anybody's wish, and were mended.
        self.drift_repaired = 0

    async def look(self, agent_ids: Collection[str] | None) -> Looked:
        """What Asterisk has (None: of all). Raises `AmiError`s."""
        seen: list[SeenMember] = []
        if agent_ids is None or len(agent_ids) > _SINGLE_LOOKS:
            seen = await members.look(self._ami)
        else:
            for agent_id in agent_ids:
                seen += await members.look(self._ami, agent_id)
        found: dict[str, list[SeenMember]] = {}
        for member in seen:
            if agent_ids is None or member.agent_id in agent_ids:
                found.setdefault(member.agent_id, []).append(member)
        return found

    async def mend(
        self, wanted: Mapping[str, frozenset[Membership]], looked: Looked
    ) -> dict[str, list[str]]:
        """By agent: what is not as wanted after it was mended. Raises `AmiError`s."""
        mended = set()
        for agent_id, should in wanted.items():
            there = looked.get(agent_id, ())
            lines = members.differences(should, there)
            if not lines:
                self._confirmed[agent_id] = should
                continue
            count = await members.repair(self._ami, should, there)
            mended.add(agent_id)
            if self._confirmed.get(agent_id) == should:
                self.drift_repaired += count
                log.warning("agent %s drifted in Asterisk: %s", agent_id, "; ".join(lines[:5]))
        problems: dict[str, list[str]] = {}
        seen = await self.look(mended)
        for agent_id in mended:
            lines = members.differences(wanted[agent_id], seen.get(agent_id, ()))
            if lines:
                self._confirmed.pop(agent_id, None)
                problems[agent_id] = lines
            else:
                self._confirmed[agent_id] = wanted[agent_id]
        return problems

    def forget(self, known: Collection[str]) -> list[str]:
        """Agents not among `known` were removed: those whose members are gone too, told once."""
        gone = [
            agent_id for agent_id in self._confirmed.keys() - known if not self._confirmed[agent_id]
        ]
        for agent_id in gone:
            del self._confirmed[agent_id]
        return gone


def by_agent(
    wanted: Iterable[Membership], agent_ids: Collection[str]
) -> dict[str, frozenset[Membership]]:
    found: dict[str, set[Membership]] = {agent_id: set() for agent_id in agent_ids}
    for member in wanted:
        found[member.agent_id].add(member)
    return {agent_id: frozenset(theirs) for agent_id, theirs in found.items()}
