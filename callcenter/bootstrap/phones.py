"""Where agents' phones register, as the settings say."""

from __future__ import annotations

import socket

from callcenter.agents.phone import PhoneServer
from callcenter.platform.settings import Settings, parse_bind


def phone_server(settings: Settings) -> PhoneServer:
    """The host phones are told, and the ways in that are open."""
    host, port = settings.sip_address
    if settings.phone_host is not None:
        host = settings.phone_host
    elif settings.external_address is not None:
        host = settings.external_address
    elif host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        host = socket.getfqdn()  # listening on every address says of none that it is ours
    return PhoneServer(
        host=host,
        port=port,
        tls_port=_port(settings.sip_tls_bind),
        wss_port=_port(settings.asterisk_https_bind),
        ws_port=_port(settings.asterisk_http_bind),
    )


def _port(bind: str | None) -> int | None:
    return None if bind is None else parse_bind(bind)[1]
