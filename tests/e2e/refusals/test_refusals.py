"""Whoever has no business here is refused at the door: nothing is dialled, nothing is recorded."""

from __future__ import annotations

import asyncio
import re
import socket
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.testing.instance import Instance
    from callcenter.testing.sipp_party import SippParty
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

STRANGER = "127.0.0.66"
AGENTS_DESK = "127.0.0.3"
OUTSIDE = "13900139000"

#: What Asterisk's security log calls a knock it did not open to.
REFUSED = ("InvalidAccountID", "FailedACL", "InvalidPassword", "ChallengeResponseFailed")


class Logs:
    """What Asterisk wrote since the scenario began."""

    def __init__(self, hotline: Instance) -> None:
        self._folder = hotline.home / "asterisk" / "log"
        self._journal = hotline.home / "journal" / "journal.csv"
        self._began = {path: self._size(path) for path in self._paths}

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self._folder / "security", self._folder / "messages", self._journal)

    @staticmethod
    def _size(path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    def _new(self, path: Path) -> str:
        if not path.exists():
            return ""
        return path.read_bytes()[self._began[path] :].decode("utf-8", "replace")

    @property
    def security(self) -> str:
        return self._new(self._folder / "security")

    @property
    def messages(self) -> str:
        return self._new(self._folder / "messages")

    @property
    def journal(self) -> str:
        return self._new(self._journal)

    async def tells_of(self, address: str) -> None:
        """Wait until the security log names this address as refused."""
        pattern = rf'SecurityEvent="(?:{"|".join(REFUSED)})".*RemoteAddress="[^"]*/{address}/'
        await eventually(
            lambda: re.search(pattern, self.security),
            f"a security event of {address}",
            within=timedelta(seconds=5),
        )

    async def says_not_found(self, number: str, context: str) -> None:
        """Wait until the log says that this number is not in the context."""
        told = (
            f"to extension '{number}' rejected because extension not found in context '{context}'"
        )
        await eventually(lambda: told in self.messages, f"the log says: {told}")


@pytest_asyncio.fixture(loop_scope="session")
async def logs(hotline: Instance, scene: Scene) -> AsyncIterator[Logs]:
    """Asterisk's logs; after the scenario they tell of no channel, and nobody was called."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as provider:
        # Where a provider would be asked for a call out.
        provider.bind(("127.0.0.2", 5060))
        provider.setblocking(False)
        found = Logs(hotline)
        yield found
        with pytest.raises(BlockingIOError):
            provider.recv(1)
    assert await hotline.channels() == 0
    assert found.journal == "", "not one channel was made"
    assert await scene.calls() == []


async def _is_refused(party: SippParty) -> str:
    """The scenario's file expects the refusal; returns every message of the exchange."""
    async with party as stranger:
        result = await stranger.result()
        assert result.ok, str(result)
        answers = re.findall(r"^SIP/2\.0 (\d{3})", result.messages, re.MULTILINE)
    assert not {code for code in answers if code[0] == "2" or code == "180"}, answers
    return result.messages


async def test_invites_from_an_unknown_address(scene: Scene, logs: Logs) -> None:
    """Whatever name it gives: the trunk is known by its address, an agent by a password."""
    names = ("13800138000", "trunk", "callcenter", "anonymous", "1001")
    await asyncio.gather(
        *(
            _is_refused(
                scene.citizen("refused_401.xml", address=STRANGER, keys={"caller_number": name})
            )
            for name in names
        )
    )
    await logs.tells_of(STRANGER)
    told = {
        name: re.findall(rf'SecurityEvent="(\w+)".*AccountID="{name}"', logs.security)
        for name in names
    }
    # An agent's name is asked for its password; the others are nobody.
    assert told == {name: ["InvalidAccountID"] for name in names} | {"1001": ["ChallengeSent"]}


async def test_an_agents_name_with_a_wrong_password(scene: Scene, logs: Logs, folder: Path) -> None:
    await _is_refused(
        scene.hotline.party(
            folder / "agent_with_wrong_password.xml",
            STRANGER,
            keys={"agent": "1001"},
            credentials=("1001", "not-the-secret"),
        )
    )
    await logs.tells_of(STRANGER)


async def test_a_registration_with_a_wrong_password(scene: Scene, logs: Logs, folder: Path) -> None:
    await _is_refused(
        scene.hotline.party(
            folder / "register_refused.xml",
            STRANGER,
            service="1001",
            keys={"expires": "300"},
            credentials=("1001", "not-the-secret"),
        )
    )
    await logs.tells_of(STRANGER)
    contacts = await scene.hotline.console("pjsip show contacts")
    assert STRANGER not in contacts


async def test_numbers_that_are_not_ours(scene: Scene, logs: Logs) -> None:
    """From the trunk itself: 404 before anything rang."""
    numbers = {
        "99999": "99999",
        OUTSIDE: OUTSIDE,
        "1001": "1001",
        "s": "s",
        "12345&PJSIP/x": "12345&PJSIP/x",
        "12345%26PJSIP%2F1001": "12345&PJSIP/1001",
    }
    await asyncio.gather(
        *(_is_refused(scene.citizen("refused_404.xml", service=number)) for number in numbers)
    )
    for number in numbers.values():
        await logs.says_not_found(number, "from-trunk")


async def test_an_agents_phone_has_no_way_out(scene: Scene, logs: Logs, folder: Path) -> None:
    phones = tomllib.loads((scene.hotline.home / "secrets" / "phones.toml").read_text())
    numbers = {
        OUTSIDE: OUTSIDE,
        "12345": "12345",
        "1002&PJSIP/trunk": "1002&PJSIP/trunk",
        "1002%26PJSIP%2Ftrunk": "1002&PJSIP/trunk",
    }
    await asyncio.gather(
        *(
            _is_refused(
                scene.hotline.party(
                    folder / "agent_dials_nowhere.xml",
                    AGENTS_DESK,
                    service=number,
                    keys={"agent": "1001"},
                    credentials=("1001", phones["phones"]["1001"]),
                )
            )
            for number in numbers
        )
    )
    for number in numbers.values():
        await logs.says_not_found(number, "from-agents")
