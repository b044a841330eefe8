"""A wrong setting is refused by its name and with the rule."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from callcenter.platform.errors import Misconfigured
from callcenter.platform.settings import Settings, load_settings

pytestmark = pytest.mark.unit


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Settings from an environment of these alone, names without their prefix."""
    import os

    for name in list(os.environ):
        if name.upper().startswith("CALLCENTER_"):
            monkeypatch.delenv(name)

    def settings(**values: str) -> Settings:
        for name, value in values.items():
            monkeypatch.setenv(f"CALLCENTER_{name}", value)
        return load_settings()

    return settings


def test_without_any_setting_everything_has_a_value(load) -> None:
    settings = load()
    assert settings.home == Path.cwd() / ".callcenter"
    assert settings.sip_address == ("127.0.0.1", 5060)
    assert settings.trunk_addresses == (IPv4Address("127.0.0.2"),)
    assert settings.database_url is None


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("SIP_BIND", "127.0.0.1", "write address:port"),
        ("SIP_BIND", "127.0.0.1:0", "write address:port"),
        ("SIP_BIND", "127.0.0.1:65536", "write address:port"),
        ("SIP_BIND", "127.0.0.1:sip", "write address:port"),
        ("SIP_BIND", "hotline.example:5060", "hotline.example"),
        ("ASTERISK_HTTP_BIND", ":8088", "IPv4 or IPv6"),
        ("API_PORT", "0", "greater than or equal to 1"),
        ("AMI_PORT", "70000", "less than or equal to 65535"),
        ("AGI_PROCESSES", "0", "greater than or equal to 1"),
        ("RTP_PORTS", "20000", "write first-last"),
        ("RTP_PORTS", "20000-10000", "first < last"),
        ("RTP_PORTS", "80-1080", "1024 ≤ first"),
        ("HOME", "/srv/hot line", "only letters, digits and . _ - /"),
        ("HOME", "/srv/a,b", "only letters, digits and . _ - /"),
        ("HOME", "/srv/a&b", "only letters, digits and . _ - /"),
        ("HOME", "/srv/热线", "only letters, digits and . _ - /"),
        ("NODE", "Node 1", "match pattern"),
        ("QUEUE_WAIT", "0", "from 1 second to 30 days"),
        ("TOKEN_TTL", "P31D", "from 1 second to 30 days"),
        ("MAX_CALL", "-5", "from 1 second to 30 days"),
        ("MAX_CALL", "9" * 30, "from 1 second to 30 days"),
        ("MAX_CALL", "9" * 5000, "from 1 second to 30 days"),
        ("MAX_CALL", "soon", "duration"),
        ("TRUNK_ADDRESSES", "127.0.0.2,provider", "IPv4"),
        ("AGENT_NETWORKS", "10.0.0.0/33", "IPv4"),
        ("TRUNK_TRANSPORT", "sctp", "'udp', 'tcp' or 'tls'"),
        ("RECORD_FROM", "never", "'conversation' or 'answer'"),
        ("DEFAULT_LANGUAGE", "Chinese", "match pattern"),
        ("PHONE_REGION", "China", "match pattern"),
    ],
)
def test_a_refusal_names_the_setting_and_the_rule(load, name: str, value: str, rule: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(**{name: value})
    assert f"CALLCENTER_{name}" in refused.value.message
    assert rule in refused.value.message


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"TRUNK_SRTP": "true"}, "TRUNK_SRTP needs TRUNK_TRANSPORT=tls"),
        (
            {"TRUNK_SRTP": "true", "TRUNK_TRANSPORT": "tcp"},
            "TRUNK_SRTP needs TRUNK_TRANSPORT=tls",
        ),
        (
            {"TRUNK_REGISTER": "true"},
            "TRUNK_REGISTER needs TRUNK_HOST, TRUNK_USERNAME and TRUNK_PASSWORD",
        ),
        (
            {"TRUNK_REGISTER": "true", "TRUNK_HOST": "sip.example"},
            "TRUNK_REGISTER needs TRUNK_HOST, TRUNK_USERNAME and TRUNK_PASSWORD",
        ),
        (
            {"SIP_TLS_BIND": "127.0.0.1:5061"},
            "SIP_TLS_BIND needs TLS_CERTIFICATE and TLS_KEY",
        ),
    ],
)
def test_settings_that_do_not_go_together(load, settings: dict[str, str], rule: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(**settings)
    assert rule in refused.value.message


def test_every_wrong_setting_is_named_at_once(load) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(SIP_BIND="nowhere", RTP_PORTS="all", API_PORT="http")
    for name in ("SIP_BIND", "RTP_PORTS", "API_PORT"):
        assert f"CALLCENTER_{name}: " in refused.value.message


def test_a_refusal_does_not_tell_the_secret(load) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(
            SIP_BIND="nowhere",
            ADMIN_PASSWORD="hush-hush",
            DATABASE_URL="postgresql://city:hush-hush@db/hotline",
        )
    assert "hush-hush" not in refused.value.message


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("90", timedelta(seconds=90)),
        ("PT10M", timedelta(minutes=10)),
        ("P1D", timedelta(days=1)),
        ("00:01:30", timedelta(seconds=90)),
    ],
)
def test_durations(load, value: str, meant: timedelta) -> None:
    assert load(QUEUE_WAIT=value).queue_wait == meant


@pytest.mark.parametrize(
    "value", ["127.0.0.2,10.0.0.0/8", "127.0.0.2, 10.0.0.0/8", "127.0.0.2 10.0.0.0/8,"]
)
def test_lists(load, value: str) -> None:
    assert load(TRUNK_ADDRESSES=value).trunk_addresses == (
        IPv4Address("127.0.0.2"),
        IPv4Network("10.0.0.0/8"),
    )


def test_a_long_home_has_its_sockets_elsewhere(load) -> None:
    long = load(HOME=f"/srv/{'x' * 100}")
    assert len(str(long.run_directory)) <= 80
    assert load(HOME=f"/srv/{'y' * 100}").run_directory != long.run_directory
    assert load(HOME="/srv/hotline").run_directory == Path("/srv/hotline/run")


def test_fax_settings_are_read(load) -> None:
    settings = load(FAX_PAUSES="60, 120,300", FAX_PREFIXES="+86531,+8610", FAX_HOURS="20:00-06:00")
    assert settings.fax_pauses == tuple(timedelta(seconds=n) for n in (60, 120, 300))
    assert settings.fax_prefixes == ("+86531", "+8610")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FAX_PAUSES", "five"),
        ("FAX_PAUSES", "1,2,3,4,5,6,7,8,9,10"),
        ("FAX_PREFIXES", "0531"),
        ("FAX_HOURS", "8-21"),
        ("FAX_DIAL", "any"),
        ("FAX_PER_DAY", "0"),
    ],
)
def test_a_wrong_fax_setting_is_named(load, name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"CALLCENTER_{name}"):
        load(**{name: value})
