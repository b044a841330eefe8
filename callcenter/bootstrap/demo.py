"""One real call: a SIPp citizen and a SIPp agent, seen from outside through the REST API.

The proof of `make run`: it fails unless the call row, its case (opened before the agent's phone
rang), the timeline and a verified recording are there.
"""

from __future__ import annotations

import asyncio
import hashlib
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx

from callcenter.access.service import AccessService
from callcenter.asterisk.install import Installation
from callcenter.bootstrap.ready import api_client
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.errors import HotlineError
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.testing.eventually import NeverHappened, eventually
from callcenter.testing.sipp_party import SCENARIOS, AgentPhone, SippParty

CITIZEN_ADDRESS = "127.0.0.2"
AGENT_ADDRESS = "127.0.0.3"
AGENT = "1001"
LINE = "12345"
#: A number no provider gives out.
CALLER = "13800138000"


class DemoFailed(HotlineError):
    """The demonstration call did not leave what it must leave."""

    slug = "demo-failed"


async def put_one_call_through(
    settings: Settings, installation: Installation, say: Callable[[str], None]
) -> None:
    """Make the call, check what it left, print it. Raises `DemoFailed` with what is missing."""
    phones = tomllib.loads((settings.secrets_directory / "phones.toml").read_text("utf-8"))
    began = system_clock()
    citizen = SippParty(
        installation,
        SCENARIOS / "citizen.xml",
        CITIZEN_ADDRESS,
        settings.sip_address,
        service=LINE,
        keys={"caller_number": CALLER, "caller_name": "王先生"},
        pause=timedelta(seconds=3),
        limit=timedelta(seconds=45),
    )
    async with (
        AgentPhone(
            installation,
            settings.sip_address,
            agent_id=AGENT,
            secret=phones["phones"][AGENT],
            address=AGENT_ADDRESS,
        ),
        citizen,
    ):
        result = await citizen.result()
    if not result.ok:
        raise DemoFailed(f"The citizen's SIPp says: {result}")
    async with api_client(settings) as client:
        client.headers["Authorization"] = f"Bearer {await _token(settings)}"
        look = _Look(client, began)
        try:
            await eventually(look.at_everything, "call, case and recording", within=_LEFT_WITHIN)
        except NeverHappened as exc:
            raise DemoFailed(str(exc)) from exc
        _print(look, say, settings)


_LEFT_WITHIN = timedelta(seconds=20)


class _Look:
    """What the API says of the call that began just now."""

    def __init__(self, client: httpx.AsyncClient, began: datetime) -> None:
        self._client = client
        self._began = began
        self.call: dict[str, Any] = {}
        self.timeline: list[dict[str, Any]] = []
        self.case: dict[str, Any] = {}
        self.recording: dict[str, Any] = {}

    async def at_everything(self) -> bool:
        """True when all is there and true. Raises AssertionError saying what is not."""
        found = await self._get("/calls", started_after=self._began.isoformat(), limit="1")
        assert found["items"], "no call row"
        self.call = await self._get(f"/calls/{found['items'][0]['call_id']}")
        call_id = self.call["call_id"]
        assert self.call["state"] == "ended", f"the call is {self.call['state']}"
        assert self.call["disposition"] == "answered", f"it ended as {self.call['disposition']}"
        assert self.call["agent"] == AGENT, f"agent {self.call['agent']} answered"
        assert [step["key"] for step in self.call["ivr_path"]].count("1") == 1, (
            "key 1 was not heard"
        )
        self.timeline = (await self._get(f"/calls/{call_id}/timeline"))["items"]
        assert self.call["case_number"], "no case"
        self.case = await self._get(f"/cases/{self.call['case_number']}")
        rang = min(leg["started_at"] for leg in self.call["legs"] if leg["role"] == "agent")
        assert _time(self.case["opened_at"]) < _time(rang), "the case came after the phone rang"
        recordings = (await self._get("/recordings", call_id=call_id))["items"]
        assert recordings, "no recording"
        self.recording = recordings[0]
        assert self.recording["state"] == "ready", f"the recording is {self.recording['state']}"
        await self._check_bytes()
        return True

    async def _check_bytes(self) -> None:
        path = f"/api/v1/recordings/{self.recording['recording_id']}/audio"
        audio = (await self._client.get(path)).raise_for_status().content
        digest = await asyncio.to_thread(lambda: hashlib.sha256(audio).hexdigest())
        assert digest == self.recording["sha256"], "the audio is not what was sealed"
        assert self.recording["silence_ratio"] < 0.9, "the recording is silent"
        assert self.recording["duration_ms"] > 2000, "the recording is too short"

    async def _get(self, path: str, **params: str) -> Any:
        reply = await self._client.get(f"/api/v1{path}", params=params)
        assert reply.is_success, f"GET {path}: {reply.status_code} {reply.text[:300]}"
        return reply.json()


async def _token(settings: Settings) -> str:
    """A short-lived token of the admin, by the database: the password need not be known."""
    database = Database(database_url(settings), name="callcenter-demo", pool_size=1)
    try:
        access = AccessService(database, system_clock, timedelta(minutes=5))
        return (await access.issue("admin")).token
    finally:
        await database.close()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _print(look: _Look, say: Callable[[str], None], settings: Settings) -> None:
    call, case, recording = look.call, look.case, look.recording
    say(f"\nCall {call['call_id']} of {call['caller_name']} on {call['line']}: timeline")
    start = _time(call["started_at"])
    for entry in look.timeline:
        offset = (_time(entry["at"]) - start).total_seconds()
        say(f"  {offset:7.3f} s  {entry['kind']:<22} {entry['detail']}"[:118])
    opened = (_time(case["opened_at"]) - start).total_seconds()
    say(
        f"Case {case['case_number']} “{case['title']}”, {case['state']}, opened {opened:.3f} s "
        "after the call began, before the agent's phone rang"
    )
    path = settings.sealed_recordings / f"{recording['recording_id']}.wav"
    say(
        f"Recording {recording['duration_ms'] / 1000:.1f} s stereo (left agent, right citizen), "
        f"peak {recording['peak']:.2f}, silence {recording['silence_ratio']:.0%}\n"
        f"  sha256 {recording['sha256']}\n  {path}"
    )
