"""Where a phone registers, and what a softphone is told."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.agents.phone import (
    NoBrowserPhones,
    NotForThisPhone,
    Phone,
    PhoneKind,
    PhoneServer,
    linphone_xml,
)
from callcenter.platform.errors import InvalidField
from callcenter.platform.text import plain_text

pytestmark = pytest.mark.unit

PLAIN = PhoneServer(host="192.0.2.1", port=5060)
SAFE = PhoneServer(host="sip.example", port=5060, tls_port=5061, wss_port=8089, ws_port=8088)
SPACE = "{http://www.linphone.org/xsds/lpconfig.xsd}"


def test_what_cannot_be_listened_to_comes_first() -> None:
    assert Phone(username="1001", server=PLAIN).transport == "udp"
    assert Phone(username="1001", server=SAFE).transport == "tls"
    browser = Phone(username="1001", server=SAFE, kind=PhoneKind.WEBRTC)
    assert browser.websocket_url == "wss://sip.example:8089/ws"
    assert list(browser.ports) == ["wss", "ws"]


def test_speech_is_said_to_be_encrypted_only_where_it_can_be() -> None:
    assert Phone(username="1001", server=PLAIN).srtp == "none"
    assert Phone(username="1001", server=SAFE).srtp == "optional"
    assert Phone(username="1001", server=SAFE, kind=PhoneKind.WEBRTC).srtp == "required"


def test_a_browser_needs_a_websocket() -> None:
    with pytest.raises(NoBrowserPhones):
        Phone(username="1001", server=PLAIN, kind=PhoneKind.WEBRTC)


def test_an_address_of_version_6_stands_in_brackets() -> None:
    server = PhoneServer(host="2001:db8::1", port=5060, wss_port=8089)
    assert Phone(username="1001", server=server).address == "[2001:db8::1]:5060"
    browser = Phone(username="1001", server=server, kind=PhoneKind.WEBRTC)
    assert browser.websocket_url == "wss://[2001:db8::1]:8089/ws"


def test_linphone_is_no_browser() -> None:
    with pytest.raises(NotForThisPhone):
        linphone_xml(Phone(username="1001", server=SAFE, kind=PhoneKind.WEBRTC))


@given(st.text(max_size=100), st.sampled_from([PLAIN, SAFE]))
def test_whatever_an_agent_is_called_the_file_can_be_read(name: str, server: PhoneServer) -> None:
    try:
        name = plain_text("name", name, least=1, most=100)
    except InvalidField:
        return
    phone = Phone(username="1001", name=name, server=server)
    root = ElementTree.fromstring(linphone_xml(phone, "a" * 32))
    assert root.tag == f"{SPACE}config"
    found = {
        (section.get("name"), entry.get("name")): entry.text
        for section in root.findall(f"{SPACE}section")
        for entry in section.findall(f"{SPACE}entry")
    }
    assert found["auth_info_0", "ha1"] == "a" * 32
    identity = found["proxy_0", "reg_identity"]
    assert identity is not None
    assert identity.endswith(f" <sip:1001@{server.host}>")
    quoted = identity.removesuffix(f" <sip:1001@{server.host}>")[1:-1]
    assert quoted.replace('\\"', '"').replace("\\\\", "\\") == name or "\\" in name
