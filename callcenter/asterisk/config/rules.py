"""What may stand in a generated conf file. Everything else is refused by field and rule.

A conf file has no quoting: a line break starts a new setting, `;` a comment, `[` a section, and in
extensions.conf `,` `$` `{` `(` are syntax. So the rules list what is allowed, per kind of value.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable

from callcenter.asterisk.config.model import CODECS, TONE_CODECS, QueueConfig, SwitchConfig
from callcenter.platform.errors import Misconfigured
from callcenter.queues.model import MUSIC, STRATEGIES

_NUMBER = re.compile(r"\+?[0-9]{2,15}")
_OUTSIDE = re.compile(r"[0-9]{2,15}")
_AGENT_ID = re.compile(r"[0-9]{3,8}")
_QUEUE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PROMPT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
#: do_say() of app_playback holds a file's name in 128 bytes; the longest piece is w_in_line.
_LONGEST_SPOKEN = 100
_EXPERT = re.compile(r"[*]7[0-9]{1,3}")
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2}(?:_[A-Z]{2})?")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")
#: An extension of the dialplan; one letter alone (`s`, `h`, `i`, `t`) has a meaning of its own.
_CONTACT = re.compile(r"[A-Za-z0-9+][A-Za-z0-9_.+-]{1,79}")
_SECRET = re.compile(r"[!-~]{1,128}")  # printable ASCII without the space
_PATH = re.compile(r"/[\w ./+@=~-]*")
_NAME_SYNTAX = re.compile(r'[;"<>\[\]\\,${}()&|]+')


class BadConfiguration(Misconfigured):
    """A value cannot be written to Asterisk's configuration."""

    slug = "bad-configuration"

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}")


def clean_name(name: str, field: str = "name") -> str:
    """A display name for a conf file: syntax characters become a space, control ones raise."""
    text = unicodedata.normalize("NFC", name)
    # Cc: line breaks and the rest; Cf: turns of writing direction that make a name read as another.
    if any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text):
        raise BadConfiguration(field, "must not hold line breaks or control characters")
    text = " ".join(_NAME_SYNTAX.sub(" ", text).split())
    if len(text) > 80:
        raise BadConfiguration(field, "must have at most 80 characters")
    return text


def check(config: SwitchConfig) -> None:
    """Refuse, with field and rule, what cannot be written safely or contradicts itself."""
    _match("node", config.node, _NODE, "letters, digits, `_`, `.`, `-`; at most 40")
    _match("ami_secret", config.ami_secret, _SECRET, "printable ASCII without spaces")
    if len(config.ami_secret) < 20:
        raise BadConfiguration("ami_secret", "must have at least 20 characters")
    _check_paths(config)
    _check_ports(config)
    _check_https(config)
    _check_trunk(config)
    for network in (*config.agent_networks, *config.local_networks):
        _network("agent_networks", network)
    if config.external_address is not None:
        _host("external_address", config.external_address)
    if config.record_from not in {"conversation", "answer", "none"}:
        raise BadConfiguration("record_from", "must be conversation, answer or none")
    _between("max_call_seconds", config.max_call_seconds, 60, 86400)
    _check_rows(config)


def _check_paths(config: SwitchConfig) -> None:
    paths = config.paths
    for name in ("home", "modules_dir", "data_dir", "prompts_dir"):
        path = str(getattr(paths, name))
        _match(f"paths.{name}", path, _PATH, "absolute; letters, digits, space and ./+@=~-_ only")
        if ".." in path.split("/"):
            raise BadConfiguration(f"paths.{name}", "must not contain `..`")
    if config.tls is not None:
        for name in ("certificate", "private_key", "ca_file"):
            value = getattr(config.tls, name)
            if value is not None:
                _match(f"tls.{name}", str(value), _PATH, "an absolute path without syntax")


def _check_https(config: SwitchConfig) -> None:
    if config.https is None:
        return
    _host("https.bind", config.https.bind.host)
    for name in ("certificate", "private_key"):
        value = str(getattr(config.https, name))
        _match(f"https.{name}", value, _PATH, "an absolute path without syntax")


def _check_ports(config: SwitchConfig) -> None:
    _host("sip_bind", config.sip_bind.host)
    _host("http_host", config.http_host)
    if config.tls is not None and config.tls.host is not None:
        _host("tls.host", config.tls.host)
    ports = {"sip_bind": config.sip_bind.port, "ami_port": config.ami_port}
    ports["agi_port"] = config.agi_port
    if config.http_port is not None:
        ports["http_port"] = config.http_port
    if config.tls is not None:
        ports["tls.port"] = config.tls.port
    if config.https is not None:
        ports["https.bind"] = config.https.bind.port
    for name, port in ports.items():
        _between(name, port, 1, 65535)
    if len(set(ports.values())) < len(ports):
        raise BadConfiguration("ports", f"must differ from each other: {ports}")
    start, end = config.rtp_range
    _between("rtp_range", start, 1024, 65535)
    _between("rtp_range", end, 1024, 65535)
    if end - start < 20:
        raise BadConfiguration("rtp_range", "must span at least 20 ports (two per call leg)")


def _check_trunk(config: SwitchConfig) -> None:
    trunk = config.trunk
    if not trunk.addresses:
        raise BadConfiguration("trunk.addresses", "at least one, or no call can arrive")
    for address in trunk.addresses:
        if not _is_network(address):
            _host("trunk.addresses", address)
        elif config.sip_bind.host in {"127.0.0.1", "::1"} and address in {"127.0.0.1", "::1"}:
            # The address comes before the name: every agent's REGISTER from there would be taken
            # for the trunk's, and refused.
            raise BadConfiguration("trunk.addresses", "must not be the address we listen on")
    if trunk.host is not None:
        _host("trunk.host", trunk.host)
    _between("trunk.port", trunk.port, 1, 65535)
    if trunk.username is not None:
        _match("trunk.username", trunk.username, _USER, "letters, digits and _.+@- only")
    if trunk.contact_user is not None:
        rule = "2 to 80 letters, digits and _.+-, a letter, digit or + first"
        _match("trunk.contact_user", trunk.contact_user, _CONTACT, rule)
    if trunk.password is not None:
        _match("trunk.password", trunk.password, _SECRET, "printable ASCII without spaces")
    if trunk.register and not (trunk.host and trunk.username and trunk.password):
        raise BadConfiguration("trunk.register", "needs host, username and password")
    if trunk.transport not in {"udp", "tcp", "tls"}:
        raise BadConfiguration("trunk.transport", "must be udp, tcp or tls")
    if trunk.transport == "tls" and config.tls is None:
        raise BadConfiguration("trunk.transport", "tls needs a certificate and its key")
    if trunk.srtp and trunk.transport != "tls":
        # SDES carries the media key in the clear of the signalling.
        raise BadConfiguration("trunk.srtp", "needs transport tls, or the key travels in the open")
    if trunk.dtmf_mode not in {"auto", "rfc4733", "inband", "info", "auto_info"}:
        raise BadConfiguration("trunk.dtmf_mode", "unknown")
    if not trunk.codecs or not set(trunk.codecs) <= set(CODECS):
        raise BadConfiguration("trunk.codecs", f"some of {', '.join(CODECS)}")
    if trunk.dtmf_mode == "inband" and not set(trunk.codecs) & set(TONE_CODECS):
        raise BadConfiguration("trunk.codecs", "keys in-band need alaw or ulaw")


def _check_rows(config: SwitchConfig) -> None:
    for line in config.lines:
        _match("lines.number", line.number, _NUMBER, "2 to 15 digits, `+` before them at most")
        _match("lines.language", line.language, _LANGUAGE, "a language such as zh or en")
        if line.mode not in {"menu", "direct", "fax"}:
            raise BadConfiguration("lines.mode", "must be menu, direct or fax")
    _match("default_language", config.default_language, _LANGUAGE, "a language such as zh or en")
    for agent in config.agents:
        _match("agents.agent_id", agent.agent_id, _AGENT_ID, "3 to 8 digits")
        _match("agents.digest", agent.digest, _DIGEST, "32 hexadecimal digits")
        clean_name(agent.name, "agents.name")
    agents = {agent.agent_id for agent in config.agents}
    queues = {queue.name for queue in config.queues}
    for queue in config.queues:
        _match("queues.name", queue.name, _QUEUE, "a-z first, then a-z, 0-9, `_`; at most 40")
        _between("queues.ring_seconds", queue.ring_seconds, 3, 120)
        _between("queues.max_wait_seconds", queue.max_wait_seconds, 5, 7200)
        _between("queues.wrapup_seconds", queue.wrapup_seconds, 0, 3600)
        _between("queues.weight", queue.weight, 0, 100)
        _between("queues.max_waiting", queue.max_waiting, 0, 100_000)
        if queue.strategy not in STRATEGIES:
            raise BadConfiguration("queues.strategy", f"one of {', '.join(STRATEGIES)}")
        _check_waiting(config, queue, queues)
        unknown = set(queue.members) - agents
        if unknown:
            raise BadConfiguration("queues.members", f"no such agent: {', '.join(sorted(unknown))}")
    for entry in config.directory:
        _match("directory.number", entry.number, _OUTSIDE, "2 to 15 digits")
        _match("directory.dialled", entry.dialled, _NUMBER, "2 to 15 digits, `+` before them")
        if entry.kind not in {"department", "emergency", "unit"}:
            raise BadConfiguration("directory.kind", "must be department, emergency or unit")
    _unique("directory.number", (entry.number for entry in config.directory))
    for extension in config.experts:
        _match("experts", extension, _EXPERT, "*7 and one to three digits")
    _unique("experts", config.experts)
    if config.default_queue not in queues:
        raise BadConfiguration("default_queue", f"no such queue: {config.default_queue!r}")
    for line in config.lines:
        if line.queue and line.queue not in queues:
            raise BadConfiguration("lines.queue", f"no such queue: {line.queue!r}")
    _unique("lines.number", (line.number for line in config.lines))
    _unique("agents.agent_id", (agent.agent_id for agent in config.agents))
    _unique("queues.name", (queue.name for queue in config.queues))


def _check_waiting(config: SwitchConfig, queue: QueueConfig, queues: set[str]) -> None:
    if queue.music not in MUSIC:
        raise BadConfiguration("queues.music", f"one of {', '.join(MUSIC)}")
    if queue.comfort_prompt is not None:
        _match("queues.comfort_prompt", queue.comfort_prompt, _PROMPT, "the name of a prompt")
    _between("queues.comfort_seconds", queue.comfort_seconds, 1, 3600)
    _between("queues.announce_seconds", queue.announce_seconds, 1, 3600)
    if queue.announce_position and len(str(config.paths.prompts_dir).encode()) > _LONGEST_SPOKEN:
        rule = f"needs a prompts' folder of at most {_LONGEST_SPOKEN} bytes"
        raise BadConfiguration("queues.announce_position", rule)
    for own in queue.languages:
        _match("queues.languages", own.language, _LANGUAGE, "a language such as zh or en")
        _between("queues.languages.seconds", own.seconds, 1, 7200)
    for exit in queue.exits.values():
        if exit.queue is not None and exit.queue not in queues:
            raise BadConfiguration("queues.exits", f"no such queue: {exit.queue!r}")
        if exit.number is not None:
            _match("queues.exits", exit.number, _NUMBER, "2 to 15 digits, `+` before them at most")


def _match(field: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not pattern.fullmatch(value):
        raise BadConfiguration(field, rule)


def _between(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise BadConfiguration(field, f"must be between {low} and {high}")


def _unique(field: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise BadConfiguration(field, f"{value} is given twice")
        seen.add(value)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _network(field: str, text: str) -> None:
    if not _is_network(text):
        raise BadConfiguration(field, f"{text!r} is no IP address or network")


def _host(field: str, text: str) -> None:
    if not _is_network(text) or "/" in text:
        _match(field, text, _HOST, "an IP address or a host name")
