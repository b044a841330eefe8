"""pjsip_*.conf: transports, the trunk, the agents' phones."""

from __future__ import annotations

import ipaddress

from callcenter.agents.phone import CODECS, PhoneKind
from callcenter.asterisk.config.model import (
    TONE_CODECS,
    Address,
    AgentConfig,
    SwitchConfig,
    TrunkConfig,
)
from callcenter.asterisk.config.rules import clean_name
from callcenter.asterisk.config.text import GENERATED, escape, section
from callcenter.asterisk.dialplan import (
    Context,
)

#: Part of the digests in the database: changing it makes every stored one worthless.
REALM = "callcenter"

#: The generated templates of agents' endpoints.
_HERE = "!,agent-here"
_TEMPLATES = {PhoneKind.SIP: "agent-phone", PhoneKind.WEBRTC: "agent-browser"}


def transports(config: SwitchConfig) -> str:
    """UDP and TCP always (a fax page or a long SDP may not fit a datagram), TLS with a key."""
    nat = _nat(config)
    parts = [
        GENERATED,
        *(
            section(
                f"transport-{protocol}",
                ("type", "transport"),
                ("protocol", protocol),
                ("bind", str(config.sip_bind)),
                *nat,
            )
            for protocol in ("udp", "tcp")
        ),
    ]
    if config.tls is not None:
        bind = str(Address(config.tls.host or config.sip_bind.host, config.tls.port))
        ca = config.tls.ca_file
        parts.append(
            section(
                "transport-tls",
                ("type", "transport"),
                ("protocol", "tls"),
                ("bind", bind),
                ("cert_file", str(config.tls.certificate)),
                ("priv_key_file", str(config.tls.private_key)),
                *([("ca_list_file", str(ca)), ("verify_server", "yes")] if ca else []),
                ("method", "tlsv1_2"),
                *nat,
            )
        )
    if config.http_port is not None:
        parts.append(
            section("transport-ws", ("type", "transport"), ("protocol", "ws"), *_any(config))
        )
    if config.https is not None:
        parts.append(
            section("transport-wss", ("type", "transport"), ("protocol", "wss"), *_any(config))
        )
    return "\n".join(parts)


def trunk(config: SwitchConfig) -> str:
    """The provider: known by address; with a host also reached, watched, and registered with."""
    link = config.trunk
    transport = f"transport-{link.transport}"
    codecs = link.codecs
    if link.dtmf_mode == "inband":
        codecs = tuple(codec for codec in codecs if codec in TONE_CODECS)
    settings = [
        ("transport", transport),
        ("disallow", "all"),
        ("allow", ",".join(codecs)),
        ("dtmf_mode", link.dtmf_mode),
        ("language", config.default_language),
        ("media_encryption", "sdes" if link.srtp else "no"),
        *_media_address(config),
    ]
    parts = [GENERATED]
    if link.host is not None:
        settings.append(("aors", "trunk"))
        if link.username is not None:
            settings += [("from_user", link.username), ("from_domain", link.host)]
        if link.password is not None:
            settings.append(("outbound_auth", "trunk"))
    parts.append(section("trunk", *settings, template="trunk"))
    parts.append(
        section(
            "trunk",
            ("type", "identify"),
            ("endpoint", "trunk"),
            *(("match", address) for address in link.addresses),
        )
    )
    if link.host is not None:
        parts += _outbound(link, config)
    return "\n".join(parts)


def _outbound(link: TrunkConfig, config: SwitchConfig) -> list[str]:
    suffix = "" if link.transport == "udp" else f"\\;transport={link.transport}"
    host = f"[{link.host}]" if ":" in (link.host or "") else link.host
    uri = f"sip:{host}:{link.port}{suffix}"
    parts = [
        # OPTIONS once a minute: PJSIPShowContacts and ContactStatus say whether the trunk answers.
        section(
            "trunk",
            ("type", "aor"),
            ("contact", uri),
            ("qualify_frequency", "60" if link.options else "0"),
            ("qualify_timeout", "3.0"),
        )
    ]
    if link.username is not None and link.password is not None:
        parts.append(
            section(
                "trunk",
                ("type", "auth"),
                # `digest` came with 22.2; 20 and 21 know the same thing as `userpass`, and every
                # version takes that word.
                ("auth_type", "userpass"),
                ("username", link.username),
                ("password", escape(link.password)),
            )
        )
    if link.register:
        first = config.lines[0].number if config.lines else link.username
        parts.append(
            section(
                "trunk",
                ("type", "registration"),
                ("transport", f"transport-{link.transport}"),
                ("outbound_auth", "trunk"),
                ("server_uri", uri),
                ("client_uri", f"sip:{link.username}@{host}:{link.port}"),
                # Where the provider sends calls: it dials the contact, not the number.
                ("contact_user", link.contact_user or str(first)),
                # A provider that lost its registrations has ours again after this, at the latest.
                ("expiration", "300"),
                # There is one trunk: the random wait of up to 10 s spares nobody.
                ("max_random_initial_delay", "1"),
                ("retry_interval", "20"),
                ("forbidden_retry_interval", "300"),
                # A provider may answer 404 or 503 for a day: never give up. Without the next line
                # one such answer (any 4xx but a few) would end the registration for good.
                ("fatal_retry_interval", "300"),
                ("max_retries", "10000000"),
                ("auth_rejection_permanent", "no"),
                ("line", "yes"),
                ("endpoint", "trunk"),
            )
        )
    return parts


def agents(config: SwitchConfig) -> str:
    """One endpoint, one digest, one address of record for each agent."""
    limits = [("deny", "0.0.0.0/0"), ("deny", "::/0")]
    limits += [("permit", _network(network)) for network in config.agent_networks]
    shared = [
        # No transport: an answer goes the way the request came, over UDP, TCP or TLS.
        *limits,
        *_media_address(config),
    ]
    lines = [
        GENERATED,
        section("agent-here", *shared, template="!,agent"),
        section(
            _TEMPLATES[PhoneKind.SIP],
            *_codecs(PhoneKind.SIP),
            *_sdes(config),
            # Not for browsers: their contact is a name under .invalid, which would be looked up.
            *((f"contact_{key}", value) for key, value in limits),
            template=_HERE,
        ),
        section(
            _TEMPLATES[PhoneKind.WEBRTC],
            *_codecs(PhoneKind.WEBRTC),
            # ICE, DTLS-SRTP by fingerprint, AVPF, RTP and RTCP on one port.
            ("webrtc", "yes"),
            ("dtls_auto_generate_cert", "yes"),
            template=_HERE,
        ),
    ]
    lines += [_agent(agent, config) for agent in config.agents]
    return "\n".join(lines)


def _agent(agent: AgentConfig, config: SwitchConfig) -> str:
    name = clean_name(agent.name, "agents.name")
    caller = f'"{name}" <{agent.agent_id}>' if name else f"<{agent.agent_id}>"
    return (
        section(
            agent.agent_id,
            ("auth", agent.agent_id),
            ("aors", agent.agent_id),
            ("callerid", caller),
            template=_TEMPLATES[agent.kind],
        )
        + section(
            agent.agent_id,
            ("type", "auth"),
            # `md5_cred` is read by every version from 20 on; 22 turns it into `password_digest`.
            ("auth_type", "md5"),
            ("username", agent.agent_id),
            ("realm", REALM),
            ("md5_cred", agent.digest),
        )
        + section(agent.agent_id, template="agent-aor")
    )


def _codecs(kind: PhoneKind) -> list[tuple[str, str]]:
    return [("disallow", "all"), ("allow", ",".join(CODECS[kind]))]


def _sdes(config: SwitchConfig) -> list[tuple[str, str]]:
    """Encrypted speech where the phone offers it; a plain phone speaks in the clear as before.

    Without TLS the key would be read together with the speech it is for: then none is offered.
    """
    if config.tls is None:
        return []
    return [("media_encryption", "sdes"), ("media_encryption_optimistic", "yes")]


def endpoint_names(config: SwitchConfig) -> tuple[str, ...]:
    """Every endpoint this configuration makes."""
    return ("trunk", *(agent.agent_id for agent in config.agents))


def contexts() -> dict[str, Context]:
    """Which context a party enters, by template of pjsip.conf."""
    return {"trunk": Context.FROM_TRUNK, "agent": Context.FROM_AGENTS}


def _media_address(config: SwitchConfig) -> list[tuple[str, str]]:
    """RTP listens where SIP listens; without it Asterisk opens RTP on every address."""
    host = config.sip_bind.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        return []
    return [("media_address", host), ("bind_rtp_to_media_address", "yes")]


def _nat(config: SwitchConfig) -> list[tuple[str, str]]:
    if config.external_address is None:
        return []
    return [
        ("external_signaling_address", config.external_address),
        ("external_media_address", config.external_address),
        *(("local_net", _network(network)) for network in config.local_networks),
    ]


def _any(config: SwitchConfig) -> list[tuple[str, str]]:
    # The WebSocket transport listens nowhere itself; Asterisk's HTTP server does.
    return [("bind", config.sip_bind.host)]


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))
