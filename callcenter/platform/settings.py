"""The settings: one typed class, read from the environment with the prefix `CALLCENTER_`."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
from datetime import time, timedelta
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from callcenter.platform.errors import Misconfigured

Port = Annotated[int, Field(ge=1, le=65535)]
#: No record of what happened is gone within a month.
KeptDays = Annotated[int, Field(ge=30, le=36500)]

#: A path reaches Asterisk's comma- and ampersand-separated argument lists: only these may occur.
_SAFE_PATH = re.compile(r"[A-Za-z0-9._/-]+")

_DURATION_RULE = "from 1 second to 30 days; write seconds, or ISO 8601 such as PT10M"

#: sun_path holds 108 bytes with its NUL; the longest name below `run` is Postgres's 20-odd.
_LONGEST_RUN_DIRECTORY = 80


_DURATIONS = (
    "token_ttl",
    "max_call",
    "queue_wait",
    "message_deadline",
    "callback_pause",
    "callback_ring",
    "callback_deadline",
    "missed_call_wait",
    "recording_pause_limit",
)


class Settings(BaseSettings):
    """Every setting of the hotline. Contract: `docs/settings.md`, generated from these fields."""

    model_config = SettingsConfigDict(env_prefix="CALLCENTER_", extra="ignore", frozen=True)

    home: Path = Field(Path(".callcenter"), description="Where all state of this instance lies.")
    database_url: SecretStr | None = Field(
        None, description="postgresql://… of your own server; absent: an embedded PostgreSQL."
    )
    node: str = Field(
        "node1",
        pattern=r"^[a-z][a-z0-9]{0,15}$",
        description="Name of this Asterisk node; state is keyed by it.",
    )

    api_host: str = Field("127.0.0.1", description="Address the REST API listens on.")
    api_port: Port = Field(8000, description="Port of the REST API.")
    events_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Pages that may open the WebSocket besides the API's own host: "
        "https://desk.city.example, comma-separated.",
    )
    token_ttl: timedelta = Field(
        timedelta(hours=12), description="How long a bearer token lasts (ISO 8601 or seconds)."
    )
    admin_password: SecretStr | None = Field(
        None, description="Password of `admin` at first start; absent: generated and shown once."
    )

    sip_bind: str = Field("127.0.0.1:5060", description="host:port for SIP over UDP and TCP.")
    sip_tls_bind: str | None = Field(None, description="host:port for SIP over TLS; absent: none.")
    tls_certificate: Path | None = Field(
        None, description="PEM certificate chain for SIP over TLS and secure WebSocket."
    )
    tls_key: Path | None = Field(None, description="PEM private key of it.")
    tls_ca: Path | None = Field(
        None,
        description="PEM certificates the provider's must be signed by; absent: it is not checked.",
    )
    external_address: str | None = Field(
        None, description="Address to write into SIP and SDP when Asterisk stands behind NAT."
    )
    rtp_ports: str = Field("10000-19999", description="First and last UDP port for media.")
    asterisk_http_bind: str | None = Field(
        None, description="host:port of Asterisk's own HTTP (browser phones); absent: closed."
    )
    asterisk_https_bind: str | None = Field(
        None,
        description="host:port where browser phones register (SIP over secure WebSocket, with "
        "TLS_CERTIFICATE and TLS_KEY); absent: closed.",
    )
    phone_host: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
        description="Name or address that phones are told to register at; it must be one the "
        "certificate is for. Absent: EXTERNAL_ADDRESS, or where SIP listens.",
    )
    ami_port: Port = Field(5038, description="AMI, always on 127.0.0.1.")
    agi_port: Port = Field(4573, description="FastAGI, always on 127.0.0.1.")
    agi_processes: int = Field(
        2, ge=1, le=16, description="How many `agi` processes share AGI_PORT."
    )
    agent_networks: Annotated[tuple[IPv4Network, ...], NoDecode] = Field(
        (IPv4Network("127.0.0.0/8"),), description="Networks agents' phones may register from."
    )

    trunk_addresses: Annotated[tuple[IPv4Address | IPv4Network, ...], NoDecode] = Field(
        (IPv4Address("127.0.0.2"),), description="Addresses INVITEs of the trunk come from."
    )
    trunk_host: str | None = Field(
        None, description="The provider's host[:port]; watched by OPTIONS when given."
    )
    trunk_options: bool = Field(
        True, description="Watch TRUNK_HOST by OPTIONS; false for one that never answers them."
    )
    trunk_username: str | None = Field(None, description="Digest user name at the provider.")
    trunk_password: SecretStr | None = Field(None, description="Digest password at the provider.")
    trunk_register: bool = Field(False, description="Register at TRUNK_HOST.")
    trunk_contact_user: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9+][A-Za-z0-9_.+-]{1,79}$",
        description="What the provider dials, where it is no line's number: it reaches the first "
        "line, and is what we register as. Absent: we register as the first line.",
    )
    trunk_transport: Literal["udp", "tcp", "tls"] = Field(
        "udp", description="Towards the provider."
    )
    trunk_srtp: bool = Field(False, description="Ask for SRTP (SDES) on the trunk; needs tls.")
    trunk_dtmf: Literal["auto", "rfc4733", "info", "inband", "auto_info"] = Field(
        "auto",
        description="How keys arrive; `auto`: RFC 4733, else in-band. INFO is always heard. "
        "`inband` leaves alaw and ulaw of the codecs: tones are found in these only.",
    )
    trunk_codecs: str = Field("alaw,ulaw,g722,opus", description="Codecs, best first.")
    phone_region: str = Field(
        "CN", pattern=r"^[A-Z]{2}$", description="Region that national numbers are read in."
    )

    tts_command: str | None = Field(
        None,
        description="Program that speaks texts instead of espeak-ng: text on its standard input, "
        "WAV on its standard output or in the file `{output}`; `{language}` is `zh`, `en` … "
        "Words are parted as in a shell, none is started.",
    )
    time_zone: str = Field("Asia/Shanghai", description="The city's time zone (IANA name).")
    default_language: str = Field("zh", pattern=r"^[a-z]{2}$", description="First language.")
    record_from: Literal["conversation", "answer"] = Field(
        "conversation", description="Record from the agent's answer, or from ours."
    )
    max_call: timedelta = Field(timedelta(hours=2), description="No call lasts longer.")
    queue_wait: timedelta = Field(
        timedelta(minutes=10),
        description="Longest wait in a queue; then the caller may leave word.",
    )
    answer_threshold: timedelta = Field(
        timedelta(seconds=15), description="Figures: within it an answer is in time."
    )
    short_abandon: timedelta = Field(
        timedelta(seconds=5),
        description="Figures: who hangs up within it was not waiting yet, and is left out.",
    )
    estimate_error: timedelta = Field(
        timedelta(seconds=60),
        description="The wait is told to callers where nine of ten estimates were off by no more "
        "than this, or than half of what is told.",
    )
    fax_font: Path | None = Field(
        None,
        description="TrueType font with Chinese letters for fax pages; absent: the installed one.",
    )
    fax_pauses: Annotated[tuple[timedelta, ...], NoDecode] = Field(
        (timedelta(minutes=5), timedelta(minutes=15)),
        min_length=1,
        max_length=9,
        description="Pauses between tries to deliver a fax, seconds, comma-separated: two pauses "
        "are three tries.",
    )
    fax_hours: str = Field(
        "08:00-21:00",
        description="When fax machines are called (TIME_ZONE); 00:00-24:00: at night too.",
    )
    fax_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="E.164 beginnings that faxes may be sent to, comma-separated (+86531,+8610); "
        "absent: the country of PHONE_REGION. Premium and short numbers never.",
    )
    fax_dial: Literal["national", "e164", "plus"] = Field(
        "national", description="How the trunk is told a number: 0531…, 86531… or +86531…"
    )
    fax_per_day: int = Field(
        5, ge=1, le=1000, description="Faxes one caller may order, or get at one number, in 24 h."
    )
    fax_at_once: int = Field(2, ge=1, le=100, description="Calls that deliver faxes at a time.")
    callback_tries: int = Field(
        3, ge=1, le=10, description="Attempts to reach a citizen who is to be called back."
    )
    callback_pause: timedelta = Field(
        timedelta(minutes=10), description="Pause between two attempts to reach a citizen."
    )
    callback_ring: timedelta = Field(
        timedelta(seconds=45), description="How long the phone of a citizen we call back rings."
    )
    callback_hours: str = Field(
        "08:00-21:00",
        description="When citizens are called back (TIME_ZONE), while their line is open; "
        "00:00-24:00: at night too.",
    )
    callback_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="E.164 beginnings that are called back, comma-separated; absent: the country "
        "of PHONE_REGION. Premium and short numbers never.",
    )
    callback_deadline: timedelta = Field(
        timedelta(minutes=30),
        description="By then, counted within CALLBACK_HOURS, a citizen must have been called back.",
    )
    missed_calls: Literal["task", "dial"] = Field(
        "task", description="Missed calls are called back by agents (task), or dialled by us."
    )
    missed_call_wait: timedelta = Field(
        timedelta(seconds=5), description="Who gives up waiting earlier than that was not missed."
    )
    message_deadline: timedelta = Field(
        timedelta(hours=24),
        description="A message must have been worked off by then (GB/T 33358: 24 hours).",
    )
    recording_pause_limit: timedelta = Field(
        timedelta(minutes=5),
        description="A recording that an agent paused goes on by itself after this.",
    )
    recording_pause_announcement: Literal["spoken", "tone", "none"] = Field(
        "spoken",
        description="What everybody in the call hears when its recording is paused and when it "
        "goes on.",
    )
    quality_kept_days: KeptDays = Field(
        1095, description="Days that quality scores and samples are kept, from the last word on."
    )
    surveys_kept_days: KeptDays = Field(1095, description="Days that survey answers are kept.")
    flags_kept_days: KeptDays = Field(365, description="Days that agents' flags (abuse) are kept.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What our processes write to their logs."
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError) as exc:
            raise ValueError("must be an IANA time zone, as Asia/Shanghai") from exc
        return value

    @field_validator("events_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"https?://[a-z0-9.\[\]:-]{1,253}", part) for part in value):
            raise ValueError("write origins as browsers do: https://desk.city.example")
        return value

    @field_validator(
        "agent_networks",
        "trunk_addresses",
        "fax_prefixes",
        "callback_prefixes",
        "events_origins",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in re.split(r"[,\s]+", value) if part)
        return value

    @field_validator(*_DURATIONS, mode="before")
    @classmethod
    def _seconds(cls, value: object) -> object:
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
            try:
                return timedelta(seconds=int(value))
            except (OverflowError, ValueError):  # a number of days, or digits, beyond Python's
                raise ValueError(_DURATION_RULE) from None
        return value

    @field_validator(*_DURATIONS)
    @classmethod
    def _sane_duration(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(days=30):
            raise ValueError(_DURATION_RULE)
        return value

    @field_validator("fax_pauses", mode="before")
    @classmethod
    def _pauses(cls, value: object) -> object:
        if isinstance(value, str):
            if not re.fullmatch(r"[0-9]{1,6}([,\s]+[0-9]{1,6})*", value, re.ASCII):
                raise ValueError("write seconds, separated by commas: 300,900")
            return tuple(timedelta(seconds=int(part)) for part in re.split(r"[,\s]+", value))
        return value

    @field_validator("fax_prefixes", "callback_prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"\+[1-9][0-9]{0,14}", part, re.ASCII) for part in value):
            raise ValueError("write beginnings of E.164 numbers: +86531,+8610")
        return value

    @field_validator("fax_hours", "callback_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        parse_hours(value)
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        path = value.expanduser().absolute()
        if not _SAFE_PATH.fullmatch(str(path)):
            raise ValueError("only letters, digits and . _ - / may stand in the path")
        return path

    @field_validator("tts_command")
    @classmethod
    def _words(cls, value: str | None) -> str | None:
        if value is not None and not _split_command(value):
            raise ValueError("must name a program")
        return value

    @field_validator("sip_bind", "sip_tls_bind", "asterisk_http_bind", "asterisk_https_bind")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            parse_bind(value)
        return value

    @field_validator("rtp_ports")
    @classmethod
    def _port_range(cls, value: str) -> str:
        match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value)
        if not match or not 1024 <= int(match[1]) < int(match[2]) <= 65535:
            raise ValueError("write first-last with 1024 ≤ first < last ≤ 65535")
        return value

    @field_validator("trunk_host")
    @classmethod
    def _host_with_port(cls, value: str | None) -> str | None:
        if value is not None:
            parse_host(value, 5060)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.trunk_register and not (
            self.trunk_host and self.trunk_username and self.trunk_password
        ):
            raise ValueError("TRUNK_REGISTER needs TRUNK_HOST, TRUNK_USERNAME and TRUNK_PASSWORD")
        if self.trunk_transport == "tls" and not self.sip_tls_bind:
            raise ValueError("TRUNK_TRANSPORT=tls needs SIP_TLS_BIND, TLS_CERTIFICATE and TLS_KEY")
        if self.trunk_srtp and self.trunk_transport != "tls":
            raise ValueError(
                "TRUNK_SRTP needs TRUNK_TRANSPORT=tls: SDES keys must not travel in the clear"
            )
        if self.sip_tls_bind and not (self.tls_certificate and self.tls_key):
            raise ValueError("SIP_TLS_BIND needs TLS_CERTIFICATE and TLS_KEY")
        if self.asterisk_https_bind and not (self.tls_certificate and self.tls_key):
            raise ValueError("ASTERISK_HTTPS_BIND needs TLS_CERTIFICATE and TLS_KEY")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def sip_address(self) -> tuple[str, int]:
        return parse_bind(self.sip_bind)

    @property
    def tts_words(self) -> tuple[str, ...] | None:
        """The speech command as a list of words; None: espeak-ng speaks."""
        return None if self.tts_command is None else _split_command(self.tts_command)

    @property
    def run_directory(self) -> Path:
        """Sockets and pid files; a short path elsewhere where `home` is too long for a socket."""
        wanted = self.home / "run"
        if len(str(wanted)) <= _LONGEST_RUN_DIRECTORY:
            return wanted
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"callcenter-{os.getuid()}-{digest}"

    @property
    def secrets_directory(self) -> Path:
        return self.home / "secrets"

    @property
    def log_directory(self) -> Path:
        return self.home / "log"

    @property
    def postgres_directory(self) -> Path:
        return self.home / "postgres"

    @property
    def journal_directory(self) -> Path:
        """Asterisk's own witness of every call (CEL), read by `node`."""
        return self.home / "journal"

    @property
    def incoming_recordings(self) -> Path:
        """One file per voice, as MixMonitor writes them."""
        return self.home / "recordings" / "incoming"

    @property
    def merged_recordings(self) -> Path:
        """Voices that were made into a sealed file, kept until retention says otherwise."""
        return self.home / "recordings" / "merged"

    @property
    def sealed_recordings(self) -> Path:
        """Finished stereo files, by recording id."""
        return self.home / "recordings" / "sealed"

    @property
    def faxes_directory(self) -> Path:
        """Documents, pages to be sent, and faxes that came in."""
        return self.home / "faxes"

    @property
    def prompts_directory(self) -> Path:
        """`<language>/<name>.wav`: shipped prompts and rendered flow texts."""
        return self.home / "prompts"

    @property
    def asterisk_directory(self) -> Path:
        return self.home / "asterisk"


def _split_command(value: str) -> tuple[str, ...]:
    """A command as a list of words. Raises ValueError with the rule."""
    try:
        words = tuple(shlex.split(value))
    except ValueError as exc:
        raise ValueError(f"cannot be parted into words: {str(exc).lower()}") from exc
    if words and "{" in words[0]:
        raise ValueError("the program's name holds no placeholder")
    for word in words:
        for found in re.findall(r"\{[A-Za-z_]*\}", word):
            if found not in ("{language}", "{output}"):
                raise ValueError(f"{found} is none of {{language}}, {{output}}")
    return words


def parse_bind(value: str) -> tuple[str, int]:
    """`host:port` as a pair. Raises ValueError with the rule."""
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError("write address:port, for example 127.0.0.1:5060")
    ip_address(host)
    return host, int(port)


def parse_hours(value: str) -> tuple[time, time]:
    """`HH:MM-HH:MM`; 24:00 is midnight, so 00:00-24:00 is the whole day (both ends the same).

    Raises ValueError with the rule.
    """
    clock = r"((?:[01]\d|2[0-3]):[0-5]\d)"
    match = re.fullmatch(rf"{clock}-(?:{clock}|24:00)", value, re.ASCII)
    if not match:
        raise ValueError("write begin-end, for example 08:00-21:00")
    return time.fromisoformat(match[1]), time.fromisoformat(match[2] or "00:00")


def parse_host(value: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port` or `[IPv6]:port` as a pair. Raises ValueError with the rule."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?", value)
    port = int(match[3]) if match and match[3] else default_port
    if not match or not 1 <= port <= 65535:
        raise ValueError("write host or host:port, for example sip.example.net:5060")
    return match[1] or match[2], port


def load_settings(**overrides: object) -> Settings:
    """Read the environment. Raises `Misconfigured` naming each wrong setting and its rule."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        wrong = []
        for error in exc.errors():
            name = ".".join(str(part) for part in error["loc"])
            prefix = f"CALLCENTER_{name.upper()}: " if name else ""
            wrong.append(prefix + error["msg"].removeprefix("Value error, "))
        raise Misconfigured("Wrong settings:\n  " + "\n  ".join(wrong)) from exc
