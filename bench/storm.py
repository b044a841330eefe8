"""Acts and deaths at random under calls, then the books: `python -m bench.storm`.

300 citizens call 12 agents in 90 s. Meanwhile a supervisor does, at random and several a second,
everything REST allows in a conversation or to a waiting caller, agents go and come, and every few
seconds one of our processes is killed (with `--asterisk` Asterisk too, with `--postgres` the
database). Nothing is expected of a single act; what is expected is in `audit`: every citizen who
was answered has one call, ended, with one case and recordings that are finished; nothing is open
where everybody has hung up; no phone had two calls at once. Exit code 1 where the books are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

from bench.floor import CITIZENS, PHONES, QUEUE, SIPP, agents, party, register, table_of
from callcenter.testing import faults
from callcenter.testing.dialogs import two_at_once
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import free_udp_port

API = "/api/v1"
FIRST = 13_900_000_000
WHY = {"reason": "storm"}
POSTGRES = "postgres"


class Supervisor:
    """Does whatever comes to mind; counts what was said to it."""

    def __init__(self, hotline: Instance, agents: list[str], random: Random) -> None:
        self._client = hotline.client
        self._agents = agents
        self._random = random
        self.replies: collections.Counter[str] = collections.Counter()
        self.log: list[str] = []

    async def storm(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(self._one())

    async def _one(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.05, 0.5))
            try:
                await self._act()
            except (httpx.HTTPError, AssertionError) as exc:
                self.replies[type(exc).__name__] += 1

    async def _act(self) -> None:
        pick = self._random.choice
        agent, other = pick(self._agents), pick(self._agents)
        if self._random.random() < 0.25:
            wish = pick(
                [{"state": "ready"}, {"state": "paused", "reason": "rest"}, {"state": "offline"}]
            )
            await self._say("state", "PUT", f"/agents/{agent}/state", wish)
            if wish["state"] != "ready":
                await asyncio.sleep(self._random.uniform(0.1, 2))
                await self._say("state", "PUT", f"/agents/{agent}/state", {"state": "ready"})
            return
        state = pick(["talking", "talking", "talking", "queued"])
        reply = await self._client.get(f"{API}/calls", params={"state": state, "limit": 100})
        found = reply.json()["items"] if reply.is_success else []
        calls = [call for call in found if call["direction"] == "inbound"]
        if not calls:
            return
        call = pick(calls)
        path = f"/calls/{call['call_id']}"
        acts: list[tuple[str, str, Any]] = [
            ("hold", f"{path}/hold", None),
            ("unhold", f"{path}/unhold", None),
            ("blind", f"{path}/transfer", {"to": {"agent": other}}),
            ("blind", f"{path}/transfer", {"to": {"queue": QUEUE}}),
            ("consult", f"{path}/transfer", {"to": {"agent": other}, "kind": "consulted"}),
            ("complete", f"{path}/transfer/complete", None),
            ("cancel", f"{path}/transfer/cancel", None),
            ("conference", f"{path}/conference", {"agent": other}),
            ("pause", f"{path}/recording/pause", WHY),
            ("resume", f"{path}/recording/resume", None),
            ("priority", f"{path}/priority", {"priority": pick([0, 5, 20]), **WHY}),
            ("move", f"{path}/queue", {"queue": QUEUE, **WHY}),
            ("take over", f"{path}/take-over", {"supervisor_phone": other, **WHY}),
            ("listen", f"/agents/{agent}/listen", {"supervisor_phone": other, **WHY}),
            ("join", f"/agents/{agent}/join", {"supervisor_phone": other, **WHY}),
            ("log off", f"/agents/{agent}/force-log-off", WHY),
            ("ready", f"/agents/{agent}/force-ready", WHY),
        ]
        name, where, body = pick(acts)
        await self._say(name, "POST", where, body)

    async def _say(self, name: str, method: str, path: str, body: Any) -> None:
        began = datetime.now(UTC)
        reply = await self._client.request(method, API + path, json=body)
        self.replies[f"{name} {reply.status_code}"] += 1
        if reply.is_success or reply.status_code >= 500:
            self.log.append(f"{began:%H:%M:%S.%f} {name} {path} {body}: {reply.status_code}")


async def deaths(hotline: Instance, names: list[str], random: Random, every: float) -> None:
    """Kill one of `names` again and again, until cancelled."""
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5) * every)
        name = random.choice(names)
        print(f"  {name} is killed", flush=True)
        if name == POSTGRES:
            postmaster = (hotline.home / "postgres" / "postmaster.pid").read_text()
            faults.kill(int(postmaster.split("\n", 1)[0]))
            continue
        pid = hotline.pid(name)
        faults.kill(pid)
        await faults.replaced(hotline, name, pid, within=timedelta(seconds=60))


class Books:
    """What is wrong, line by line."""

    def __init__(self, hotline: Instance) -> None:
        self._hotline = hotline
        self.wrong: list[str] = []

    async def none(self, what: str, query: str) -> None:
        """`query` finds what must not be."""
        found = await faults.rows(self._hotline, query)
        if found:
            self.wrong.append(f"{what}: {len(found)}: {[dict(row) for row in found[:3]]}")

    async def audit(self, answered: set[str], *, all_there: bool) -> None:
        found = await faults.rows(
            self._hotline,
            "SELECT caller_number, count(*) AS n FROM calls WHERE direction = 'inbound' GROUP BY 1",
        )
        rows = {str(row["caller_number"])[-11:]: row["n"] for row in found}
        if missing := answered - rows.keys():
            self.wrong.append(f"answered and without a call: {sorted(missing)[:5]}")
        if twice := {number for number, count in rows.items() if count > 1}:
            self.wrong.append(f"two calls of one citizen: {sorted(twice)[:5]}")
        await self.none(
            "calls that are not over",
            "SELECT call_id, state, disposition FROM calls"
            " WHERE state <> 'ended' OR disposition IS NULL OR ended_at IS NULL",
        )
        await self.none(
            "calls that waited, without a case",
            "SELECT call_id, disposition FROM calls c WHERE direction = 'inbound'"
            " AND NOT EXISTS (SELECT FROM case_calls k WHERE k.call_id = c.call_id)"
            " AND EXISTS (SELECT FROM queue_visits v WHERE v.call_id = c.call_id)",
        )
        await self.none("open waits", "SELECT * FROM queue_visits WHERE outcome IS NULL")
        await self.none("open talks", "SELECT * FROM agent_talks WHERE ended_at IS NULL")
        await self.none("open holds", "SELECT * FROM call_holds WHERE ended_at IS NULL")
        await self.none("open holds", "SELECT * FROM phone_holds WHERE ended_at IS NULL")
        await self.none("open pauses", "SELECT * FROM recording_pauses WHERE ended_at IS NULL")
        await self.none("open acts", "SELECT * FROM switch_acts WHERE outcome IS NULL")
        await self.none(
            "parties still there",
            "SELECT * FROM call_parties WHERE began_at IS NOT NULL AND ended_at IS NULL",
        )
        await self.none(
            "recordings that are not finished, or wanting without a reason",
            "SELECT recording_id, state, reason FROM recordings"
            " WHERE state IN ('recording', 'pending') OR (state <> 'ready' AND reason IS NULL)",
        )
        await self.none(
            "agents in no call who are said to be in one",
            "SELECT agent_id, state FROM agent_states WHERE state IN ('talking', 'ringing',"
            " 'holding')",
        )
        if all_there:
            await self.none(
                "citizens who were answered by a person and have no recording",
                "SELECT call_id FROM calls c WHERE disposition = 'answered'"
                " AND direction = 'inbound' AND NOT EXISTS"
                " (SELECT FROM recordings r WHERE r.call_id = c.call_id)",
            )


async def run(plan: argparse.Namespace) -> int:
    random = Random(plan.seed)  # noqa: S311 - a seeded storm
    with tempfile.TemporaryDirectory(prefix="cc-storm-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        settings = {"QUEUE_WAIT": "120", "LOG_LEVEL": "warning"}
        async with Instance(home / "hotline", settings) as hotline:
            secrets = await agents(hotline, plan.agents)
            port = free_udp_port(PHONES)
            await register(hotline, home, secrets, port)
            talks, callers = home / "talks.csv", home / "callers.csv"
            table_of(talks, ([f"{random.expovariate(1 / 4) * 1000:.0f}"] for _ in range(5000)))
            gaps = (random.expovariate(plan.calls / plan.seconds) for _ in range(plan.calls))
            rows = [
                [
                    f"{3000 + came * 1000:.0f}",
                    f"{500 + random.expovariate(1 / 12) * 1000:.0f}",
                    str(FIRST + number),
                ]
                for number, came in enumerate(itertools.accumulate(gaps))
            ]
            table_of(callers, rows)
            scenario = home / "caller.xml"
            text = (SIPP / "day_caller.xml").read_text()
            scenario.write_text(text.replace("[caller_number]", "[field2]"))
            length = plan.seconds + 150
            phones = party(hotline, "day_agents.xml", PHONES, talks, None, length, port=port)
            citizens = party(hotline, str(scenario), CITIZENS, callers, plan.calls, length)
            names = ["node", "api", "worker", "agi-1", "agi-2"]
            if plan.asterisk:
                names.append("asterisk-supervised")
            if plan.postgres:
                names.append(POSTGRES)
            supervisor = Supervisor(hotline, list(secrets), random)
            async with phones, citizens:
                storm = asyncio.create_task(supervisor.storm())
                dying = asyncio.create_task(deaths(hotline, names, random, plan.every))
                result = await citizens.result()
                for task in (storm, dying):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                seen = citizens.messages
                await faults.healthy(hotline, within=timedelta(seconds=90))
                await _until(hotline.channels, "no channel is left")
                rung = phones.messages
            print(f"SIPp: {result.code}; {dict(sorted(supervisor.replies.items()))}")
            answered = _answered(seen)
            if plan.keep:
                (plan.keep / "acts.log").write_text("\n".join(supervisor.log))
                (plan.keep / "phones.log").write_text(rung)
            return await _books(hotline, answered, rung, all_there=not plan.asterisk)


def _answered(messages: str) -> set[str]:
    """Numbers of the citizens whose INVITE was answered with 200."""
    found = set()
    for part in re.split(r"^-{20,} ", messages, flags=re.M)[1:]:
        if re.search(r"^SIP/2\.0 200", part, re.M) and re.search(r"^CSeq: *1 INVITE", part, re.M):
            number = re.search(r"^From:.*sip:(\d+)@", part, re.M)
            if number:
                found.add(number[1])
    return found


async def _until(count: Callable[[], Awaitable[int]], what: str) -> None:
    async def none() -> bool:
        return await count() == 0

    await eventually(none, what, within=timedelta(seconds=60))


async def _books(hotline: Instance, answered: set[str], rung: str, *, all_there: bool) -> int:
    last = Books(hotline)

    async def right() -> bool:
        nonlocal last
        last = Books(hotline)
        await last.audit(answered, all_there=all_there)
        return not last.wrong

    with suppress(AssertionError):
        await eventually(right, "the books are right", within=timedelta(seconds=90))
    twice = two_at_once(rung)
    (counts,) = await faults.rows(
        hotline,
        "SELECT (SELECT count(*) FROM calls WHERE direction = 'inbound') AS calls,"
        " (SELECT count(*) FROM queue_visits) AS waits,"
        " (SELECT count(*) FROM agent_talks) AS talks,"
        " (SELECT count(*) FROM recordings) AS recordings, (SELECT count(*) FROM cases) AS cases",
    )
    print(f"answered on the wire: {len(answered)}; {dict(counts)}")
    for row in await faults.rows(
        hotline,
        "SELECT disposition, count(*) AS calls, max(ended_at - answered_at)"
        " AS longest FROM calls c WHERE direction = 'inbound' AND NOT EXISTS"
        " (SELECT FROM queue_visits v WHERE v.call_id = c.call_id) GROUP BY 1",
    ):
        print(f"never waited: {row}")
    for line in last.wrong:
        print(f"WRONG {line}")
    for one, two in twice[:10]:
        print(f"TWICE {two} beside {one}")
    print(f"{len(last.wrong)} wrong, {len(twice)} times two calls on one phone")
    return bool(last.wrong or twice)


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--calls", type=int, default=300)
    options.add_argument("--agents", type=int, default=12)
    options.add_argument("--seconds", type=float, default=90)
    options.add_argument("--every", type=float, default=8, help="seconds between two deaths")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--asterisk", action="store_true", help="Asterisk is killed too")
    options.add_argument("--postgres", action="store_true", help="PostgreSQL is killed too")
    options.add_argument("--keep", type=Path, help="folder for what was done and seen")
    return asyncio.run(run(options.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
