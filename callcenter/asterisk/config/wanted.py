"""What this instance wants of its Asterisk: settings and rows as one `SwitchConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.sessions.reasons import pause_codes
from callcenter.agents.tables import agents
from callcenter.asterisk.config.model import (
    Address,
    AgentConfig,
    LineConfig,
    LineMode,
    Paths,
    QueueConfig,
    Strategy,
    SwitchConfig,
    TlsConfig,
    TrunkConfig,
)
from callcenter.asterisk.config.secrets import secret
from callcenter.asterisk.install import Installation
from callcenter.lines.tables import lines
from callcenter.platform.settings import Settings, parse_bind, parse_host
from callcenter.queues.tables import queue_members, queues

#: File name of the AMI password below `<HOME>/secrets`.
AMI_SECRET = "ami"  # noqa: S105 - the name of the file, not what is in it


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration, and which version of each line it holds."""

    config: SwitchConfig
    line_versions: dict[str, int]


def paths_of(settings: Settings, installation: Installation) -> Paths:
    """The folders of this instance's Asterisk."""
    return Paths(
        home=settings.home,
        modules_dir=installation.modules_dir,
        data_dir=installation.data_dir,
        prompts_dir=settings.prompts_directory,
    )


async def read_wanted(
    connection: AsyncConnection, settings: Settings, installation: Installation
) -> Wanted:
    """Read the rows and put them together with the settings (five queries)."""
    line_rows = (await connection.execute(select(lines).order_by(lines.c.number))).all()
    agent_rows = (
        await connection.execute(select(agents).where(agents.c.active).order_by(agents.c.agent_id))
    ).all()
    queue_rows = (await connection.execute(select(queues).order_by(queues.c.name))).all()
    member_rows = (
        await connection.execute(
            select(queue_members.c.queue, queue_members.c.agent_id)
            .join(agents, agents.c.agent_id == queue_members.c.agent_id)
            .where(agents.c.active)
            .order_by(queue_members.c.queue, queue_members.c.agent_id)
        )
    ).all()
    members: dict[str, list[str]] = {}
    for row in member_rows:
        members.setdefault(row.queue, []).append(row.agent_id)
    default_queue = next((row.name for row in queue_rows if row.is_default), "general")
    wait_seconds = int(settings.queue_wait.total_seconds())
    low, _, high = settings.rtp_ports.partition("-")
    config = SwitchConfig(
        node=settings.node,
        paths=paths_of(settings, installation),
        ami_secret=secret(settings.secrets_directory, AMI_SECRET),
        sip_bind=Address(*settings.sip_address),
        ami_port=settings.ami_port,
        agi_port=settings.agi_port,
        **_http(settings),
        rtp_range=(int(low), int(high)),
        tls=_tls(settings),
        external_address=settings.external_address,
        trunk=_trunk(settings),
        agent_networks=tuple(str(network) for network in settings.agent_networks),
        lines=tuple(
            LineConfig(row.number, cast(LineMode, row.mode), row.language, row.queue)
            for row in line_rows
        ),
        agents=tuple(AgentConfig(row.agent_id, row.name, row.sip_digest) for row in agent_rows),
        queues=tuple(
            QueueConfig(
                name=row.name,
                members=tuple(members.get(row.name, ())),
                strategy=cast(Strategy, row.strategy),
                ring_seconds=row.ring_seconds,
                max_wait_seconds=wait_seconds,
                wrapup_seconds=row.wrapup_seconds,
            )
            for row in queue_rows
        ),
        pause_codes=tuple(await pause_codes(connection)),
        default_queue=default_queue,
        default_language=settings.default_language,
        record_from=settings.record_from,
        max_call_seconds=int(settings.max_call.total_seconds()),
    )
    return Wanted(config, {row.number: row.version for row in line_rows})


def _http(settings: Settings) -> dict[str, Any]:
    if not settings.asterisk_http_bind:
        return {}
    host, port = parse_bind(settings.asterisk_http_bind)
    return {"http_host": host, "http_port": port}


def _tls(settings: Settings) -> TlsConfig | None:
    if not settings.sip_tls_bind:
        return None
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    host, port = parse_bind(settings.sip_tls_bind)
    return TlsConfig(
        certificate=settings.tls_certificate,
        private_key=settings.tls_key,
        port=port,
        ca_file=settings.tls_ca,
        host=host,
    )


def _trunk(settings: Settings) -> TrunkConfig:
    default_port = 5061 if settings.trunk_transport == "tls" else 5060
    host: str | None = None
    port = default_port
    if settings.trunk_host is not None:
        host, port = parse_host(settings.trunk_host, default_port)
    password = settings.trunk_password
    return TrunkConfig(
        addresses=tuple(str(address) for address in settings.trunk_addresses),
        host=host,
        port=port,
        options=settings.trunk_options,
        username=settings.trunk_username,
        password=password.get_secret_value() if password is not None else None,
        register=settings.trunk_register,
        contact_user=settings.trunk_contact_user,
        transport=settings.trunk_transport,
        srtp=settings.trunk_srtp,
        dtmf_mode=settings.trunk_dtmf,
        codecs=tuple(code.strip() for code in settings.trunk_codecs.split(",") if code.strip()),
    )
