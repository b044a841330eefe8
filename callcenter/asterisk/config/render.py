"""Settings and rows → the text of every generated conf file. Pure: the same in, the same out."""

from __future__ import annotations

import hashlib
from pathlib import Path

from callcenter.asterisk.config import queues, sip
from callcenter.asterisk.config.model import SwitchConfig
from callcenter.asterisk.config.queues import asterisk_queues
from callcenter.asterisk.config.rules import check, clean_name
from callcenter.asterisk.config.text import GENERATED, escape, section
from callcenter.asterisk.dialplan import (
    AgentCode,
    Context,
    Global,
    Variable,
)

#: sockaddr_un holds 108 bytes with the closing zero; `/asterisk.ctl` is 13 of them.
_LONGEST_RUN_DIR = 108 - 1 - 13
AMI_USER = "callcenter"


def render(config: SwitchConfig) -> dict[str, str]:
    """Text by file name. Raises BadConfiguration before anything unsafe is in a text."""
    check(config)
    return {
        "asterisk.conf": _asterisk(config),
        "pjsip_transports.conf": sip.transports(config),
        "pjsip_trunk.conf": sip.trunk(config),
        "pjsip_agents.conf": sip.agents(config),
        "queues_members.conf": queues.sections(config),
        "manager_listen.conf": _manager_listen(config),
        "manager_user.conf": _manager_user(config),
        "http_listen.conf": _http(config),
        "rtp_ports.conf": _rtp(config),
        "udptl_ports.conf": _udptl(config),
        "extensions_globals.conf": _globals(config),
        "extensions_lines.conf": _lines(config),
        "extensions_phones.conf": _phones(config),
        "extensions_queues.conf": queues.plan(config),
        "say.conf": queues.say(config),
    }


def run_dir(config: SwitchConfig) -> Path:
    """Where the control socket is: below home, or, when that path is too long for a socket, in
    /tmp under a name that is this home's own."""
    wanted = config.paths.asterisk / "run"
    if len(str(wanted).encode()) <= _LONGEST_RUN_DIR:
        return wanted
    key = hashlib.sha256(str(config.paths.home).encode()).hexdigest()[:12]
    return Path("/tmp") / f"callcenter-{key}"  # noqa: S108 (made with mode 0700, owner checked)


def _asterisk(config: SwitchConfig) -> str:
    paths = config.paths
    return (
        GENERATED
        + section(
            "directories",
            ("astetcdir", str(paths.etc)),
            ("astmoddir", str(paths.modules_dir)),
            ("astvarlibdir", str(paths.var)),
            ("astdbdir", str(paths.var)),
            ("astkeydir", str(paths.var)),
            ("astdatadir", str(paths.data_dir)),
            ("astagidir", str(paths.var / "agi-bin")),
            ("astspooldir", str(paths.spool)),
            ("astcachedir", str(paths.asterisk / "cache")),
            ("astrundir", str(run_dir(config))),
            ("astlogdir", str(paths.log)),
        )
        + section(
            "options",
            # Part of every Uniqueid: without it they repeat after a restart and between nodes.
            ("systemname", config.node),
            ("defaultlanguage", "en"),
            ("languageprefix", "yes"),
            # Silence is sent while a message is recorded, or some networks drop the call.
            ("transmit_silence", "yes"),
            ("hideconnect", "yes"),
            ("nocolor", "yes"),
            ("cache_record_files", "no"),
            # Functions such as SHELL() and FILE() answer to nobody from outside the dialplan.
            ("live_dangerously", "no"),
        )
        + section("files", ("astctlpermissions", "0600"))
    )


def _manager_listen(config: SwitchConfig) -> str:
    # Not a setting: AMI speaks in the clear, so it stays on this machine.
    return GENERATED + f"bindaddr = 127.0.0.1\nport = {config.ami_port}\n"


def _manager_user(config: SwitchConfig) -> str:
    return GENERATED + section(
        AMI_USER,
        ("secret", escape(config.ami_secret)),
        ("deny", "0.0.0.0/0.0.0.0"),
        ("permit", "127.0.0.1/255.255.255.255"),
        # `system`: reload and the PJSIP lists; `reporting`: queue state and ShowDialPlan.
        ("read", "system,call,agent,user,reporting"),
        ("write", "system,call,agent,user,reporting,originate"),
        # Milliseconds. The default of 100 cuts a reader who pauses for a breath, without a word.
        ("writetimeout", "5000"),
    )


def _http(config: SwitchConfig) -> str:
    text = GENERATED
    if config.http_port is None:
        text += "enabled = no\n"
    else:
        text += f"enabled = yes\nbindaddr = {config.http_host}\nbindport = {config.http_port}\n"
    if config.https is not None:
        text += (
            f"tlsenable = yes\ntlsbindaddr = {config.https.bind}\n"
            f"tlscertfile = {config.https.certificate}\n"
            f"tlsprivatekey = {config.https.private_key}\n"
            # What is left is TLS 1.2 and 1.3.
            "tlsdisablev1 = yes\ntlsdisablev11 = yes\n"
        )
    return text


def _rtp(config: SwitchConfig) -> str:
    start, end = config.rtp_range
    return GENERATED + f"rtpstart = {start}\nrtpend = {end}\n"


def _udptl(config: SwitchConfig) -> str:
    """The last tenth of the range, so that two instances with ranges of their own stay apart."""
    start, end = config.rtp_range
    return GENERATED + f"udptlstart = {end - (end - start) // 10}\nudptlend = {end}\n"


def _globals(config: SwitchConfig) -> str:
    values = {
        Global.AGI_URL: f"agi://127.0.0.1:{config.agi_port}",
        Global.PROMPTS: str(config.paths.prompts_dir),
        Global.RECORDINGS: str(config.paths.recordings),
        Global.FAXES: str(config.paths.faxes_out),
        Global.FAXES_IN: str(config.paths.faxes_in),
        Global.DEFAULT_QUEUE: config.default_queue,
        Global.DEFAULT_LANGUAGE: config.default_language,
        Global.RECORD_FROM: config.record_from,
        Global.MAX_CALL_SECONDS: str(config.max_call_seconds),
        Global.OUT_CALLER: config.lines[0].number if config.lines else "anonymous",
        Global.TRUNK_DIAL: "trunk" if config.trunk.host is not None else "none",
    }
    settings = [(str(name), value) for name, value in values.items()]
    settings += [
        (f"{Global.WRAPUP_PREFIX}{queue.name}", str(queue.wrapup_seconds))
        for queue in config.queues
    ]
    settings += [
        (
            f"{Global.QUEUES_PREFIX}{agent.agent_id}",
            # Of every language: who logs out with the node dead must be rung in none.
            "&".join(
                name
                for queue in config.queues
                if agent.agent_id in queue.members
                for name in asterisk_queues(queue)
            ),
        )
        for agent in config.agents
    ]
    return GENERATED + section("globals", *settings)


def _lines(config: SwitchConfig) -> str:
    """The only doors of the trunk. Literal numbers, so no caller's text becomes a value here."""
    head = (
        "; Enters: the trunk (pjsip.conf). Leaves: cc-inbound.\n"
        "; A number that is not here gets 404.\n"
        f"[{Context.FROM_TRUNK}]\n"
    )
    extens = (
        f"exten = {line.number},1,Set(__{Variable.LINE}={line.number})\n"
        f" same = n,Set({Variable.LINE_MODE}={line.mode})\n"
        f" same = n,Set({Variable.LANGUAGE}={line.language})\n"
        f" same = n,Set({Variable.LINE_QUEUE}={line.queue or config.default_queue})\n"
        f" same = n,Goto({Context.INBOUND},s,1)\n"
        for line in config.lines
    )
    return GENERATED + head + "".join(extens) + _contact(config)


def _contact(config: SwitchConfig) -> str:
    """What the provider dials instead of a line's number leads to the first line."""
    contact = config.trunk.contact_user
    if contact is None or not config.lines or contact in {line.number for line in config.lines}:
        return ""
    return f"exten = {contact},1,Goto({Context.FROM_TRUNK},{config.lines[0].number},1)\n"


def _phones(config: SwitchConfig) -> str:
    """What agents can dial or transfer to: each other, the queues by name, expert
    groups, the directory."""
    head = (
        "; Enters: an agent's phone, or a citizen it transfers.\n"
        "; Leaves: cc-agent, cc-agent-queue, cc-agent-code, cc-expert, cc-agent-out.\n"
        f"[{Context.FROM_AGENTS}]\n"
    )
    # Nobody is called 110 but the police.
    outside = {entry.number for entry in config.directory}
    agents = (
        f"exten = {agent.agent_id},1,Goto({Context.AGENT},{agent.agent_id},1)"
        f"  ; {clean_name(agent.name)}\n"
        for agent in config.agents
        if agent.agent_id not in outside
    )
    names = (
        f"exten = {queue.name},1,Set({Variable.QUEUE}={queue.name})\n"
        f" same = n,Goto({Context.AGENT_QUEUE},s,1)\n"
        for queue in config.queues
    )
    directory = (
        f"exten = {entry.number},1,Set({Variable.OUT}={entry.dialled})\n"
        f" same = n,Set({Variable.OUT_KIND}={entry.kind})\n"
        f" same = n,Goto({Context.AGENT_OUT},s,1)\n"
        for entry in config.directory
    )
    experts = (
        f"exten = {extension},1,Set({Variable.EXPERT}={extension[1:]})\n"
        f" same = n,Goto({Context.EXPERT},s,1)\n"
        for extension in config.experts
    )
    parts = ("".join(agents), "".join(names), "".join(experts), "".join(directory), _codes(config))
    return GENERATED + head + "".join(parts)


def _codes(config: SwitchConfig) -> str:
    """What agents dial about themselves."""
    acts = {
        AgentCode.LOG_IN: "login",
        AgentCode.LOG_OUT: "offline",
        AgentCode.READY: "ready",
        AgentCode.DONE: "done",
    }
    plain = (f"exten = {code},1,Goto({Context.AGENT_CODE},{act},1)\n" for code, act in acts.items())
    pauses = (
        f"exten = {AgentCode.PAUSE}{digit},1,Set({Variable.PAUSE}={reason})\n"
        f" same = n,Goto({Context.AGENT_CODE},paused,1)\n"
        for digit, reason in config.pause_codes
    )
    return "".join(plain) + "".join(pauses)
