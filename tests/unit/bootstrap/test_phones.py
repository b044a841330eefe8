"""What phones are told of where to register."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callcenter.agents.phone import PhoneKind
from callcenter.asterisk.config.rules import clean_name
from callcenter.asterisk.config.wanted import _agent
from callcenter.bootstrap.phones import phone_server
from callcenter.platform.errors import Misconfigured
from callcenter.platform.settings import load_settings

pytestmark = pytest.mark.unit

KEYS = {"tls_certificate": "/c.pem", "tls_key": "/k.pem"}


def settings(tmp_path: Path, **values: Any) -> Any:
    return load_settings(home=tmp_path, **values)


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({}, "127.0.0.1"),
        ({"sip_bind": "192.0.2.1:5060"}, "192.0.2.1"),
        ({"sip_bind": "192.0.2.1:5060", "external_address": "203.0.113.5"}, "203.0.113.5"),
        ({"sip_bind": "0.0.0.0:5060", "phone_host": "sip.example"}, "sip.example"),
        ({"external_address": "203.0.113.5", "phone_host": "sip.example"}, "sip.example"),
    ],
)
def test_the_host_is_one_that_phones_can_reach(
    tmp_path: Path, values: dict[str, str], host: str
) -> None:
    assert phone_server(settings(tmp_path, **values)).host == host


def test_listening_everywhere_is_told_as_this_machines_name(tmp_path: Path) -> None:
    assert phone_server(settings(tmp_path, sip_bind="0.0.0.0:5060")).host not in ("0.0.0.0", "")


def test_only_open_ways_are_told(tmp_path: Path) -> None:
    shut = phone_server(settings(tmp_path))
    assert (shut.port, shut.tls_port, shut.wss_port, shut.ws_port) == (5060, None, None, None)
    ways = {
        "sip_tls_bind": "127.0.0.1:5061",
        "asterisk_https_bind": "127.0.0.1:8089",
        "asterisk_http_bind": "127.0.0.1:8088",
    }
    server = phone_server(settings(tmp_path, **KEYS, **ways))
    assert (server.tls_port, server.wss_port, server.ws_port) == (5061, 8089, 8088)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"asterisk_https_bind": "127.0.0.1:8089"}, "ASTERISK_HTTPS_BIND needs TLS_CERTIFICATE"),
        ({**KEYS, "asterisk_https_bind": "sip.example"}, "ASTERISK_HTTPS_BIND"),
        ({"phone_host": "a b"}, "PHONE_HOST"),
        ({"phone_host": "sip.example;transport=udp"}, "PHONE_HOST"),
        ({"phone_host": "-"}, "PHONE_HOST"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    tmp_path: Path, values: dict[str, str], word: str
) -> None:
    with pytest.raises(Misconfigured, match=word):
        settings(tmp_path, **values)


@pytest.mark.parametrize("name", ["x" * 100, "a\u202eb", "\u200b", "王" * 100, "\u0958" * 90])
def test_no_agents_name_keeps_everybody_from_being_written(name: str) -> None:
    row: Any = SimpleNamespace(agent_id="1001", name=name, sip_digest="a" * 32, phone_kind="webrtc")
    agent = _agent(row)
    assert agent.kind is PhoneKind.WEBRTC
    clean_name(agent.name)
