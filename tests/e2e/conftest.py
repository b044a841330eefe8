"""One instance of the hotline for all scenarios, on a PostgreSQL the tests may stop.

Everything is started by its real command and looked at from outside: REST, rows, audio, Asterisk's
console. After each scenario no channel may be left. The instance belongs to the session, so each
module says `pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]`.
"""

from __future__ import annotations

import io
import tomllib
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from callcenter.bootstrap.prompts import prompt_library
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.platform.settings import load_settings
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import SCENARIOS, AgentPhone, SippParty

CITIZEN = "127.0.0.2"
#: Agent → the address of their phone.
DESKS = {"1001": "127.0.0.3", "1002": "127.0.0.4", "1003": "127.0.0.5", "2001": "127.0.0.6"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[EmbeddedPostgres]:
    """The instance's own PostgreSQL, apart from it, so that a scenario can take it away."""
    home = tmp_path_factory.mktemp("postgres")
    server = EmbeddedPostgres(home / "data", home / "run", home / "postgres.log", durable=False)
    await server.start()
    await server.create_database()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hotline(
    tmp_path_factory: pytest.TempPathFactory, database_server: EmbeddedPostgres
) -> AsyncIterator[Instance]:
    """A running hotline that every scenario shares."""
    home = tmp_path_factory.mktemp("hotline")
    url = database_server.url().set(drivername="postgresql").render_as_string()
    async with Instance(home, {"DATABASE_URL": url, "QUEUE_WAIT": "40"}) as instance:
        yield instance


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _nothing_is_left(hotline: Instance) -> AsyncIterator[None]:
    yield

    async def no_channel() -> bool:
        left = await hotline.console("core show channels concise")
        assert not left.strip(), left
        return True

    await eventually(no_channel, "no channel is left in Asterisk", within=timedelta(seconds=20))


class Scene:
    """The people of a scenario, and what the outside sees of their calls."""

    def __init__(self, hotline: Instance) -> None:
        self.hotline = hotline
        self.began = datetime.now(UTC)
        #: SIP messages an agent's phone saw, where a scenario keeps them.
        self.seen_by_the_phone = ""

    def begin_anew(self) -> None:
        """Calls so far are not the scene's any more."""
        self.began = datetime.now(UTC)

    def citizen(self, scenario: str | Path = "citizen.xml", **options: Any) -> SippParty:
        """A citizen behind the trunk; `scenario` is a shipped one by name, or a file."""
        keys = {"caller_number": "13800138000", "caller_name": "citizen"}
        keys |= options.pop("keys", {})
        path = SCENARIOS / scenario if isinstance(scenario, str) else scenario
        return self.hotline.party(path, options.pop("address", CITIZEN), keys=keys, **options)

    def agent(
        self,
        agent_id: str = "1001",
        scenario: str = "agent_answers.xml",
        *,
        secret: str | None = None,
        **options: Any,
    ) -> AgentPhone:
        """An agent at a registered phone; `secret`: unless made at the first start."""
        if secret is None:
            phones = tomllib.loads((self.hotline.home / "secrets" / "phones.toml").read_text())
            secret = phones["phones"][agent_id]
        return AgentPhone(
            self.hotline.installation,
            self.hotline.sip,
            agent_id=agent_id,
            secret=secret,
            address=DESKS[agent_id],
            scenario=SCENARIOS / scenario,
            **options,
        )

    async def calls(self) -> list[dict[str, Any]]:
        """The calls since the scene began, youngest first."""
        found = await self.hotline.get("/calls", started_after=self.began.isoformat())
        items: list[dict[str, Any]] = found["items"]
        return items

    async def call(
        self, within: timedelta = timedelta(seconds=30), **wanted: object
    ) -> dict[str, Any]:
        """The scene's one inbound call (of this `caller_number`), ended and with these values."""
        caller = wanted.get("caller_number")

        async def found() -> dict[str, Any]:
            calls = [call for call in await self.calls() if call["direction"] == "inbound"]
            calls = [call for call in calls if caller in (None, call["caller_number"])]
            assert len(calls) == 1, f"{len(calls)} calls"
            call: dict[str, Any] = await self.hotline.get(f"/calls/{calls[0]['call_id']}")
            assert call["state"] == "ended", call["state"]
            for name, value in wanted.items():
                assert call[name] == value, f"{name} is {call[name]!r}, wanted {value!r}"
            return call

        call: dict[str, Any] = await eventually(found, "the call's row", within=within)
        return call

    async def case_of(self, call: dict[str, Any]) -> dict[str, Any]:
        """The case of a call, with its history."""
        assert call["case_number"], "the call has no case"
        case: dict[str, Any] = await self.hotline.get(f"/cases/{call['case_number']}")
        return case

    async def recording_of(self, call: dict[str, Any]) -> dict[str, Any]:
        """The call's one recording, once it is finished one way or the other."""

        async def finished() -> dict[str, Any]:
            found = await self.hotline.get("/recordings", call_id=call["call_id"])
            assert len(found["items"]) == 1, f"{len(found['items'])} recordings"
            recording: dict[str, Any] = found["items"][0]
            assert recording["state"] not in ("recording", "pending"), recording["state"]
            return recording

        recording: dict[str, Any] = await eventually(
            finished, "the recording", within=timedelta(seconds=30)
        )
        return recording

    async def recordings_of(self, call: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The call's recordings by kind, once all are finished one way or the other."""

        async def finished() -> dict[str, Any]:
            found = await self.hotline.get("/recordings", call_id=call["call_id"])
            for recording in found["items"]:
                assert recording["state"] not in ("recording", "pending"), recording["state"]
            return {recording["kind"]: recording for recording in found["items"]}

        recordings: dict[str, dict[str, Any]] = await eventually(
            finished, "the recordings", within=timedelta(seconds=30)
        )
        return recordings

    async def rings(self, agent_id: str) -> None:
        """Wait until the scene's one call has come to an agent's phone."""

        async def ringing() -> bool:
            return any(leg["agent"] == agent_id for c in await self.calls() for leg in c["legs"])

        await eventually(ringing, f"{agent_id}'s phone rings", within=timedelta(seconds=20))

    async def audio_of(self, recording: dict[str, Any]) -> bytes:
        """The recording's file as the API gives it."""
        path = f"/api/v1/recordings/{recording['recording_id']}/audio"
        reply = await self.hotline.client.get(path)
        assert reply.status_code == 200, reply.text
        return reply.content

    async def sound_of(self, recording: dict[str, Any]) -> np.ndarray:
        """The samples of a finished recording, a column per channel."""
        assert recording["state"] == "ready", f"{recording['state']}: {recording['reason']}"
        with wave.open(io.BytesIO(await self.audio_of(recording))) as file:
            assert file.getframerate() == 8000
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return samples.reshape(-1, file.getnchannels()).astype(int)

    @asynccontextmanager
    async def published(self, flow: dict[str, Any]) -> AsyncIterator[int]:
        """The next callers of `main` meet this flow, until the block ends; the version's number."""
        client, main = self.hotline.client, "/api/v1/ivr/flows/main"
        old = (await self.hotline.get("/ivr/flows/main/active"))["version"]
        old_draft = await self.hotline.get("/ivr/flows/main/draft")
        try:
            reply = await client.put(f"{main}/draft", json=flow, headers={"If-Match": "*"})
            assert reply.status_code == 200, reply.text
            reply = await client.post(f"{main}/versions", json={"comment": "scenario"})
            assert reply.status_code == 201, reply.text
            assert reply.json()["in_force"] is True
            yield reply.json()["version"]
        finally:
            await client.put(f"{main}/active", json={"version": old})
            await client.put(f"{main}/draft", json=old_draft, headers={"If-Match": "*"})

    def spoken(self, text: str, language: str) -> Path:
        """The audio of a text."""
        settings = load_settings(home=self.hotline.home)
        return prompt_library(settings, self.hotline.installation).text(text, language)

    async def flow_text(self, node: str, language: str, *, part: str = "say") -> Path:
        """The audio of what a node of the active version of `main` says."""
        active = (await self.hotline.get("/ivr/flows/main/active"))["version"]
        version = await self.hotline.get(f"/ivr/flows/main/versions/{active}")
        return self.spoken(version["definition"]["nodes"][node][part][language], language)

    def prompt(self, name: str, language: str) -> Path:
        """The audio of a shipped prompt."""
        return self.hotline.home / "prompts" / language / f"{name}.wav"

    async def timeline(self, call: dict[str, Any]) -> list[str]:
        """The kinds of a call's timeline, in order."""
        found = await self.hotline.get(f"/calls/{call['call_id']}/timeline")
        return [entry["kind"] for entry in found["items"]]


@pytest.fixture
def scene(hotline: Instance) -> Scene:
    """A stage for one scenario."""
    return Scene(hotline)


@pytest.fixture
def stage() -> Callable[[Instance], Scene]:
    """A stage at an instance of a scenario's own."""
    return Scene


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """The scenario's own folder, where its SIPp files lie."""
    return Path(request.path).parent
