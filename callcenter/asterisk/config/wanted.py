"""What this instance wants of its Asterisk: settings and rows as one `SwitchConfig`."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.directory.tables import directory_numbers
from callcenter.agents.experts.tables import expert_groups
from callcenter.agents.phone import PhoneKind
from callcenter.agents.sessions.reasons import pause_codes
from callcenter.agents.tables import agents
from callcenter.asterisk.config.model import (
    Address,
    AgentConfig,
    DirectoryConfig,
    HttpsConfig,
    LineConfig,
    LineMode,
    OwnLanguage,
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
from callcenter.queues.model import Queue
from callcenter.queues.skills import asked_of, own_languages, own_seconds
from callcenter.queues.store import list_queues
from callcenter.queues.tables import queue_members

#: File name of the AMI password below `<HOME>/secrets`.
AMI_SECRET = "ami"  # noqa: S105 - the name of the file, not what is in it

#: Of characters that a display name in a conf file may not hold (`rules.clean_name`).
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration, and which version of each line and queue it holds."""

    config: SwitchConfig
    line_versions: dict[str, int]
    queue_versions: dict[str, int]


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
    known_queues = await list_queues(connection)
    member_rows = (
        await connection.execute(
            select(queue_members.c.queue, queue_members.c.agent_id)
            .join(agents, agents.c.agent_id == queue_members.c.agent_id)
            .where(agents.c.active)
            .order_by(queue_members.c.queue, queue_members.c.agent_id)
        )
    ).all()
    outside = (
        await connection.execute(
            select(directory_numbers)
            .where(directory_numbers.c.active)
            .order_by(directory_numbers.c.number)
        )
    ).all()
    experts = await connection.scalars(
        select(expert_groups.c.extension).order_by(expert_groups.c.extension)
    )
    members: dict[str, list[str]] = {}
    for row in member_rows:
        members.setdefault(row.queue, []).append(row.agent_id)
    default_queue = next((one.name for one in known_queues if one.is_default), "general")
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
        agents=tuple(_agent(row) for row in agent_rows),
        queues=tuple(
            _queue(one, tuple(members.get(one.name, ())), settings) for one in known_queues
        ),
        directory=tuple(
            DirectoryConfig(row.number, row.number_dialled, row.kind) for row in outside
        ),
        pause_codes=tuple(await pause_codes(connection)),
        experts=tuple(experts),
        default_queue=default_queue,
        default_language=settings.default_language,
        record_from=settings.record_from,
        max_call_seconds=int(settings.max_call.total_seconds()),
    )
    return Wanted(
        config,
        {row.number: row.version for row in line_rows},
        {one.name: one.version for one in known_queues},
    )


def _queue(queue: Queue, members: tuple[str, ...], settings: Settings) -> QueueConfig:
    wait = queue.max_wait_seconds or int(settings.queue_wait.total_seconds())
    language = settings.default_language
    return QueueConfig(
        name=queue.name,
        members=members,
        strategy=cast(Strategy, queue.strategy),
        ring_seconds=queue.ring_seconds,
        max_wait_seconds=wait,
        wrapup_seconds=queue.wrapup_seconds,
        weight=queue.weight,
        max_waiting=queue.max_waiting,
        music=queue.music,
        comfort_prompt=queue.comfort_prompt,
        comfort_seconds=queue.comfort_seconds,
        announce_position=queue.announce_position,
        announce_seconds=queue.announce_seconds,
        offers_callback=queue.offers_callback,
        languages=tuple(
            OwnLanguage(own, own_seconds(asked_of(queue.requirements, own, language), wait))
            for own in own_languages(queue.requirements, language)
        ),
        exits=queue.exits,
    )


def _agent(row: Row[Any]) -> AgentConfig:
    # One name that cannot be written must not keep everybody's configuration from being written.
    name = "".join(c for c in row.name if unicodedata.category(c) not in _INVISIBLE)
    name = unicodedata.normalize("NFC", name)[:80]
    return AgentConfig(row.agent_id, name, row.sip_digest, PhoneKind(row.phone_kind))


def _http(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.asterisk_http_bind:
        host, port = parse_bind(settings.asterisk_http_bind)
        found |= {"http_host": host, "http_port": port}
    if settings.asterisk_https_bind:
        assert settings.tls_certificate is not None
        assert settings.tls_key is not None
        address = Address(*parse_bind(settings.asterisk_https_bind))
        found["https"] = HttpsConfig(address, settings.tls_certificate, settings.tls_key)
    return found


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
