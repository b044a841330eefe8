"""What the generated part of Asterisk's configuration is made from: settings and rows only.

Durations are seconds, addresses are text as Asterisk reads it. `rules.check` refuses what must not
reach a conf file before any of it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from callcenter.agents.phone import PhoneKind
from callcenter.queues.model import Cause, Exit

Transport = Literal["udp", "tcp", "tls"]
#: `auto`: RFC 4733 where it is offered, else tones in the audio. INFO is understood in every mode.
DtmfMode = Literal["auto", "rfc4733", "inband", "info", "auto_info"]
LineMode = Literal["menu", "direct", "fax"]
RecordFrom = Literal["conversation", "answer", "none"]
#: `rrmemory` goes on to the next agent after one who does not answer; `leastrecent` would ring the
#: same one again, whose last conversation is still the oldest.
Strategy = Literal[
    "ringall",
    "leastrecent",
    "fewestcalls",
    "random",
    "rrmemory",
    "rrordered",
    "linear",
    "wrandom",
]

CODECS = ("alaw", "ulaw", "g722", "opus")
#: Asterisk finds tones in these only; in the others in-band keys are not heard.
TONE_CODECS = ("alaw", "ulaw")


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port a socket is bound to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Certificate of our TLS transport; without it there is none."""

    certificate: Path
    private_key: Path
    port: int = 5061
    ca_file: Path | None = None  #: what the other side's certificate must be signed by
    host: str | None = None  #: where it listens; None: where UDP and TCP do


@dataclass(frozen=True, slots=True)
class HttpsConfig:
    """Where browser phones connect: Asterisk's own HTTP server with TLS."""

    bind: Address
    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class TrunkConfig:
    """The provider: recognised by address; reached, or registered with, when a host is given."""

    addresses: tuple[str, ...] = ("127.0.0.2",)  #: IP, network (CIDR) or host name
    host: str | None = None
    port: int = 5060
    options: bool = True  #: watched by OPTIONS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False
    #: What the provider dials where that is no line's number; registered as our contact.
    contact_user: str | None = None
    transport: Transport = "udp"
    srtp: bool = False
    dtmf_mode: DtmfMode = "auto"
    codecs: tuple[str, ...] = CODECS


@dataclass(frozen=True, slots=True)
class LineConfig:
    """A hotline number."""

    number: str
    mode: LineMode = "menu"
    language: str = "zh"
    queue: str = ""  #: of a direct line; empty: the default queue


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """An agent's phone. `digest` is MD5(agent_id:callcenter:password): `secrets.agent_digest`."""

    agent_id: str
    name: str
    digest: str = field(repr=False)
    kind: PhoneKind = PhoneKind.SIP


@dataclass(frozen=True, slots=True)
class OwnLanguage:
    """A further language of a queue: its callers wait for those who speak it, `seconds` at most."""

    language: str
    seconds: int


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """One queue of ours: a queue of app_queue, and one more for each of `languages`."""

    name: str
    members: tuple[str, ...] = ()  #: ids of the agents who belong to it, logged in or not
    strategy: Strategy = "rrmemory"
    ring_seconds: int = 15
    max_wait_seconds: int = 300
    wrapup_seconds: int = 0
    weight: int = 0
    max_waiting: int = 0  #: 0: no limit
    music: str = "default"
    comfort_prompt: str | None = None  #: a prompt's name, said every `comfort_seconds`
    comfort_seconds: int = 60
    announce_position: bool = False
    announce_seconds: int = 60
    offers_callback: bool = True  #: only where there is a trunk to dial by
    languages: tuple[OwnLanguage, ...] = ()
    exits: Mapping[Cause, Exit] = field(default_factory=dict)

    def exit(self, cause: Cause) -> Exit:
        """Where callers go for this cause."""
        return self.exits.get(cause, Exit())


@dataclass(frozen=True, slots=True)
class DirectoryConfig:
    """A number of another unit: what an agent dials, and what the trunk is asked for."""

    number: str
    dialled: str
    kind: str = "department"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders of one instance; `home` is CALLCENTER_HOME, absolute."""

    home: Path
    modules_dir: Path
    data_dir: Path
    prompts_dir: Path

    @property
    def asterisk(self) -> Path:
        return self.home / "asterisk"

    @property
    def etc(self) -> Path:
        """A link to the generation in force."""
        return self.asterisk / "etc"

    @property
    def conf(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def generations(self) -> Path:
        return self.asterisk / "generations"

    @property
    def var(self) -> Path:
        return self.asterisk / "var"

    @property
    def spool(self) -> Path:
        return self.asterisk / "spool"

    @property
    def log(self) -> Path:
        return self.asterisk / "log"

    @property
    def journal_dir(self) -> Path:
        return self.home / "journal"

    @property
    def journal(self) -> Path:
        """CEL, one line per event; rename it to rotate it."""
        return self.journal_dir / "journal.csv"

    @property
    def recordings(self) -> Path:
        """Where Asterisk writes; finished recordings go elsewhere."""
        return self.home / "recordings" / "incoming"

    @property
    def faxes_out(self) -> Path:
        """Pages that lie ready to be sent."""
        return self.home / "faxes" / "out"

    @property
    def faxes_in(self) -> Path:
        """Where Asterisk writes faxes that come in."""
        return self.home / "faxes" / "incoming"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """One Asterisk: everything that is not the same for every site."""

    node: str
    paths: Paths
    ami_secret: str = field(repr=False)
    sip_bind: Address = Address("127.0.0.1", 5060)
    ami_port: int = 5038
    agi_port: int = 4573
    http_port: int | None = None
    http_host: str = "127.0.0.1"
    https: HttpsConfig | None = None
    rtp_range: tuple[int, int] = (10000, 10999)
    tls: TlsConfig | None = None
    #: Our address as the provider sees it, behind NAT; with the networks that are not behind it.
    external_address: str | None = None
    local_networks: tuple[str, ...] = ()
    trunk: TrunkConfig = TrunkConfig()
    agent_networks: tuple[str, ...] = ("127.0.0.0/8",)
    lines: tuple[LineConfig, ...] = ()
    agents: tuple[AgentConfig, ...] = ()
    queues: tuple[QueueConfig, ...] = ()
    directory: tuple[DirectoryConfig, ...] = ()
    #: Digit behind *47 and the reason of the pause it gives.
    pause_codes: tuple[tuple[str, str], ...] = ()
    experts: tuple[str, ...] = ()  #: extensions of expert groups: *7x
    default_queue: str = "general"
    default_language: str = "zh"
    record_from: RecordFrom = "conversation"
    max_call_seconds: int = 7200
