"""What the settings of the trunk must say together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callcenter.platform.errors import Misconfigured
from callcenter.platform.settings import load_settings, parse_host

pytestmark = pytest.mark.unit

REGISTER = {"trunk_register": True, "trunk_host": "sip.example", "trunk_username": "u"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (REGISTER, "TRUNK_PASSWORD"),
        ({"trunk_transport": "tls", "trunk_host": "sip.example"}, "SIP_TLS_BIND"),
        ({"trunk_srtp": True}, "TRUNK_TRANSPORT=tls"),
        ({"sip_tls_bind": "127.0.0.1:5061"}, "TLS_CERTIFICATE"),
        ({"trunk_host": "sip.example:sip"}, "TRUNK_HOST"),
        ({"trunk_host": "sip.example:99999"}, "TRUNK_HOST"),
        ({"trunk_host": "sip:sip.example"}, "TRUNK_HOST"),
        ({"trunk_contact_user": "s"}, "TRUNK_CONTACT_USER"),
        ({"trunk_contact_user": "a,b"}, "TRUNK_CONTACT_USER"),
    ],
)
def test_what_is_missing_is_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        load_settings(**wrong)
    assert told in refusal.value.message


def test_a_registration_over_tls_with_srtp() -> None:
    settings = load_settings(
        **REGISTER,
        trunk_password="p",
        trunk_transport="tls",
        trunk_srtp=True,
        sip_tls_bind="127.0.0.1:5061",
        tls_certificate=Path("/c.pem"),
        tls_key=Path("/k.pem"),
        trunk_contact_user="+862112345",
    )
    assert settings.trunk_options


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("sip.example", ("sip.example", 5060)),
        ("192.0.2.1:5080", ("192.0.2.1", 5080)),
        ("[2001:db8::1]:5080", ("2001:db8::1", 5080)),
        ("[2001:db8::1]", ("2001:db8::1", 5060)),
    ],
)
def test_the_providers_host(text: str, pair: tuple[str, int]) -> None:
    assert parse_host(text, 5060) == pair
