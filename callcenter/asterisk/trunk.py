"""How the trunk stands, by Asterisk's word: does the provider answer, are we registered there.

Both lists are short: one endpoint is asked for, and there is one registration. They hold the
password too, so nothing of them but the two states goes any further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.errors import ActionRefused

#: Name of endpoint, address of record and registration in pjsip_trunk.conf.
NAME: Final = "trunk"


@dataclass(frozen=True, slots=True)
class TrunkState:
    """`contact`: Reachable, Unreachable, Unknown (not asked yet), NonQualified (never asked).
    `registration`: Registered, Unregistered, Rejected, Stopped …; empty: there is none."""

    contact: str = ""
    registration: str = ""


async def look(ami: AmiClient, *, registers: bool) -> TrunkState:
    """Ask. Raises as `AmiClient.list_action`."""
    try:
        endpoint = await ami.list_action("PJSIPShowEndpoint", {"Endpoint": NAME})
        lines = await ami.list_action("PJSIPShowRegistrationsOutbound") if registers else []
    except ActionRefused:
        return TrunkState()  # it has no such endpoint: the configuration is not in force yet
    return state_of(
        (dict(message.pairs) for message in endpoint), (dict(message.pairs) for message in lines)
    )


async def register(ami: AmiClient) -> None:
    """Register now, whatever the last registration is still worth."""
    await ami.action("PJSIPRegister", {"Registration": NAME})


async def ask_again(ami: AmiClient) -> None:
    """Have the provider asked now (OPTIONS), not only at the end of the minute."""
    await ami.action("PJSIPQualify", {"Endpoint": NAME})


def state_of(
    endpoint: Iterable[Mapping[str, str]], registrations: Iterable[Mapping[str, str]]
) -> TrunkState:
    """From the events of PJSIPShowEndpoint and PJSIPShowRegistrationsOutbound."""
    contact = registration = ""
    for event in endpoint:
        if event.get("Event") == "ContactStatusDetail" and event.get("AOR") == NAME:
            contact = event.get("Status", "")
    for event in registrations:
        if event.get("Event") == "OutboundRegistrationDetail" and event.get("ObjectName") == NAME:
            registration = event.get("Status", "")
    return TrunkState(contact, registration)
