"""Asterisk's journal (CEL through cel_custom): one CSV line is one record; bytes become events.

The file is written by Asterisk and carries text from strangers (names, numbers). The parser is
strict and bounded: a line that breaks a rule is a `Reject` that names the rule, never an exception.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from callcenter.asterisk import dialplan
from callcenter.calls import events as ev
from callcenter.calls.journal_fields import (
    UNSEEN,
    WORD,
    BrokenRule,
    bounded,
    clean_name,
    extra_of,
    identifier,
    moment,
    one_of,
    text,
    uuid,
    whole,
)
from callcenter.calls.numbers import normalise_number

#: Longest line we read, in bytes; cel_custom's own buffer is 4 KB.
LONGEST_LINE: Final = 16 * 1024

#: Order of the columns in `asterisk-conf/cel_custom.conf`.
COLUMNS: Final = (
    "eventtype",
    "eventtime",
    "uniqueid",
    "linkedid",
    "channame",
    "context",
    "exten",
    "cid_num",
    "cid_name",
    "appname",
    "appdata",
    "userdeftype",
    "eventextra",
    "peer",
)

_NODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,140}")
_NUMBER: Final = re.compile(r"[+]?[0-9]{1,20}")
_QUEUE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: An agent, a queue or a number of the directory.
_PASSED_TO: Final = re.compile(r"[+]?[a-z0-9_]{1,40}")
_RECORDING: Final = re.compile(r"[0-9a-f-]{36}(-[a-z0-9]+)*")
#: What led to a node: a key, `t` silence, `i` a key the menu does not have, `r` gone on.
_PRESSED: Final = re.compile(r"[0-9A-D*#tir]{1,40}")
_LANGUAGE: Final = re.compile(r"[a-z]{2}")
#: Of the other fax machine, through the dialplan's FILTER().
_FAX_ERROR: Final = re.compile(r"[A-Za-z0-9 /-]{0,500}")
_STATION: Final = re.compile(r"[0-9+]{0,40}")
_MODE: Final = re.compile(r"[A-Za-z0-9]{0,20}")
_MOST_FAX_PAGES: Final = 9999
#: What a node told beside the flow's words: `notice/<name>/<version>`, `article/<name>/<version>`.
_ABOUT: Final = re.compile(r"[A-Za-z0-9_./-]{0,200}")
_EXPERT: Final = re.compile(r"7[0-9]{1,3}")
_AGENT: Final = re.compile(r"[1-9][0-9]{2,5}")
_SPY_MODES: Final = frozenset({"listen", "whisper", "join"})
_HIGHEST_PRIORITY: Final = 20
_HIGHEST_CAUSE: Final = 127
_LONGEST_QUEUE: Final = 100_000
_LONGEST_WAIT_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that breaks `rule`. `text` may hold personal data: for the table, not for the log."""

    key: bytes
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed record of a kind that no call is folded from."""

    eventtype: str


def line_key(line: bytes) -> bytes:
    """The 16 bytes that name a record: the same line is the same record."""
    return blake2b(line, digest_size=16).digest()


def parse_line(line: bytes, region: str) -> ev.CallEvent | Ignored | Reject:
    """One line of the journal, without its newline. `region` reads national numbers (CN)."""
    key = line_key(line)
    try:
        return _parse(line, key, region)
    except BrokenRule as exc:
        shown = UNSEEN.sub("\ufffd", line[:2000].decode("utf-8", "replace"))
        return Reject(key, str(exc), shown)


def _parse(line: bytes, key: bytes, region: str) -> ev.CallEvent | Ignored:
    if len(line) > LONGEST_LINE:
        raise BrokenRule(f"line is longer than {LONGEST_LINE} bytes")
    try:
        rows = list(csv.reader([line.decode("utf-8", "replace")], strict=True))
    except csv.Error as exc:
        raise BrokenRule("line is not CSV") from exc
    if len(rows) != 1 or len(rows[0]) != len(COLUMNS):
        raise BrokenRule(f"line has not {len(COLUMNS)} columns")
    row = dict(zip(COLUMNS, rows[0], strict=True))
    eventtype = row["eventtype"]
    if not WORD.fullmatch(eventtype) or not eventtype:
        raise BrokenRule("eventtype is not a word")
    common: dict[str, Any] = {
        "key": key,
        "at": moment(row["eventtime"]),
        "uniqueid": identifier(row, "uniqueid"),
        "linkedid": identifier(row, "linkedid"),
        "channel": UNSEEN.sub("", row["channame"])[:200],
    }
    extra = extra_of(row["eventextra"])
    # A user event carries its own name as its type, and again in userdeftype (measured, 22.10.1).
    if row["userdeftype"]:
        return _ours(row, extra, common, region)
    make = _KINDS.get(eventtype)
    return make(row, extra, common, region) if make else Ignored(eventtype)


_Row = Mapping[str, str]
_Extra = Mapping[str, Any]


def _ours(row: _Row, extra: _Extra, common: dict[str, Any], region: str) -> ev.CallEvent | Ignored:
    language = text(extra, "language", _LANGUAGE) or None
    match row["userdeftype"]:
        case dialplan.JournalEvent.CALL:
            return _call_began(row, extra, common, region, language)
        case dialplan.JournalEvent.IVR:
            node = text(extra, "node", _NODE)
            if not node:
                raise BrokenRule("node is empty")
            return ev.FlowNodeEntered(
                **common,
                node=node,
                pressed=text(extra, "key", _PRESSED),
                flow=text(extra, "flow", _NODE) or None,
                version=whole(extra, "version"),
                node_type=text(extra, "type", WORD),
                language=language,
                about=text(extra, "about", _ABOUT),
            )
        case dialplan.JournalEvent.EXIT:
            return ev.FlowLeft(
                **common,
                next=text(extra, "next", WORD),
                agi=text(extra, "agi", WORD),
                language=language,
            )
        case dialplan.JournalEvent.QUEUE:
            queue = text(extra, "queue", _QUEUE)
            if not queue:
                raise BrokenRule("queue is empty")
            priority = whole(extra, "priority") or 0
            return ev.QueueEntered(
                **common,
                queue=queue,
                why=text(extra, "why", WORD),
                priority=priority if 1 <= priority <= _HIGHEST_PRIORITY else None,
                position=bounded(extra, "position", 1, _LONGEST_QUEUE),
                estimate_seconds=bounded(extra, "estimate", 0, _LONGEST_WAIT_SECONDS),
            )
        case dialplan.JournalEvent.QUEUE_EXIT:
            return ev.QueueLeft(
                **common,
                queue=text(extra, "queue", _QUEUE),
                status=text(extra, "status", WORD),
            )
        case dialplan.JournalEvent.TRANSFER:
            return ev.HandingOn(**common, to=text(extra, "to", _NUMBER))
        case dialplan.JournalEvent.LEG:
            return ev.LegNamed(**common, call_id=uuid(extra, "call"))
        case dialplan.JournalEvent.HOLD:
            return ev.CitizenHeld(**common)
        case dialplan.JournalEvent.PASSED:
            return ev.PassedOn(
                **common, by=text(extra, "by", _NUMBER), to=text(extra, "to", _PASSED_TO)
            )
        case dialplan.JournalEvent.EXPERT:
            return ev.ExpertsMissed(**common, extension=text(extra, "expert", _EXPERT))
        case dialplan.JournalEvent.RECORDING:
            return ev.RecordingBegan(**common, name=_recording_name(extra))
        case dialplan.JournalEvent.VOICEMAIL:
            return ev.MessageBegan(
                **common, name=_recording_name(extra), reason=text(extra, "reason", WORD)
            )
        case dialplan.JournalEvent.VOICEMAIL_END:
            failed = text(extra, "status", WORD) == dialplan.RecordStatus.ERROR
            return ev.MessageEnded(
                **common,
                name=_recording_name(extra),
                length_ms=None if failed else whole(extra, "ms"),
            )
        case dialplan.JournalEvent.CALLBACK:
            return ev.CallbackStep(
                **common,
                callback=str(uuid(extra, "callback")),
                status=text(extra, "status", WORD),
                cause=bounded(extra, "cause", 1, _HIGHEST_CAUSE),
            )
        case dialplan.JournalEvent.FAX_BEGIN:
            fax = str(uuid(extra, "fax"))
            return ev.FaxBegan(**common, fax=fax, way=text(extra, "way", WORD))
        case dialplan.JournalEvent.FAX:
            return ev.FaxEnded(
                **common,
                fax=str(uuid(extra, "fax")),
                way=text(extra, "way", WORD),
                good=text(extra, "status", WORD) == "SUCCESS",
                pages=min(whole(extra, "pages") or 0, _MOST_FAX_PAGES),
                mode=text(extra, "mode", _MODE),
                error=text(extra, "error", _FAX_ERROR)[:200],
                station=text(extra, "station", _STATION)[:20],
            )
        case dialplan.JournalEvent.ALERT:
            return ev.AlertHeard(
                **common,
                alert=str(uuid(extra, "alert")),
                agent=_agent(extra),
                acknowledged=text(extra, "key", _PRESSED) == "1",
            )
        case dialplan.JournalEvent.SPY:
            return ev.SpyBegan(
                **common,
                spied_call=str(uuid(extra, "call")),
                agent=_agent(extra),
                mode=one_of(extra, "mode", _SPY_MODES),
            )
        case dialplan.JournalEvent.TAKE_OVER:
            return ev.TakenOver(**common, agent=_agent(extra))
        case dialplan.JournalEvent.SURVEY:
            return ev.SurveyBegan(**common)
        case _:
            return Ignored(row["eventtype"])


def _agent(extra: _Extra) -> str:
    agent = text(extra, "agent", _AGENT)
    if not agent:
        raise BrokenRule("agent is empty")
    return agent


def _recording_name(extra: _Extra) -> str:
    name = text(extra, "recording", _RECORDING)
    if not name:
        raise BrokenRule("recording is empty")
    return name


def _call_began(
    row: _Row, extra: _Extra, common: dict[str, Any], region: str, language: str | None
) -> ev.CallBegan:
    direction = text(extra, "direction", WORD, "inbound")
    if direction not in ("inbound", "internal", "outbound"):
        raise BrokenRule("direction is not inbound, internal or outbound")
    # Presentations: allowed_…, prohib_…, unavailable (RFC 3323 `Privacy: id` gives prohib_…).
    withheld = str(extra.get("pres", "")).startswith("prohib")
    number = None if withheld else normalise_number(str(extra.get("number", "")), region)
    source = str(extra.get("source", ""))
    if withheld:
        source = "withheld"
    elif number is None or source not in ("pai", "from"):
        source = "unknown"
    return ev.CallBegan(
        **common,
        call_id=uuid(extra, "call"),
        direction=direction,
        dialled=text(extra, "dialled", dialplan.SAFE)[:40] or None,
        number=number,
        name=None if withheld else clean_name(row["cid_name"]),
        withheld=withheld,
        source=source,
        language=language,
    )


def _channel_started(
    row: _Row, _extra: _Extra, common: dict[str, Any], region: str
) -> ev.CallEvent:
    return ev.ChannelStarted(
        **common,
        context=clean_name(row["context"]) or "",
        exten=clean_name(row["exten"]) or "",
        number=normalise_number(row["cid_num"], region),
        name=clean_name(row["cid_name"]),
    )


def _app_started(row: _Row, _extra: _Extra, common: dict[str, Any], _region: str) -> ev.CallEvent:
    app, data = clean_name(row["appname"]) or "", clean_name(row["appdata"]) or ""
    if app.lower() == "queue":
        name, comma, rest = data.partition(",")
        data = dialplan.our_queue(name) + comma + rest
    return ev.AppStarted(**common, app=app, data=data)


def _hung_up(_row: _Row, extra: _Extra, common: dict[str, Any], _region: str) -> ev.CallEvent:
    source = extra.get("hangupsource")
    return ev.ChannelHungUp(
        **common,
        cause=whole(extra, "hangupcause"),
        source=UNSEEN.sub("", source)[:200] if isinstance(source, str) else "",
    )


def _transferred(row: _Row, extra: _Extra, common: dict[str, Any], _region: str) -> ev.CallEvent:
    attended = row["eventtype"] == "ATTENDEDTRANSFER"
    to = extra.get("transfer_target_channel_name" if attended else "extension")
    return ev.Transferred(
        **common, attended=attended, to=(clean_name(to) or "") if isinstance(to, str) else ""
    )


_KINDS: Final[dict[str, Callable[[_Row, _Extra, dict[str, Any], str], ev.CallEvent]]] = {
    "CHAN_START": _channel_started,
    "ANSWER": lambda _row, _extra, common, _region: ev.ChannelAnswered(**common),
    "APP_START": _app_started,
    "BRIDGE_ENTER": lambda _row, extra, common, _region: ev.BridgeEntered(
        **common, bridge=clean_name(str(extra.get("bridge_id", ""))) or ""
    ),
    "BRIDGE_EXIT": lambda _row, extra, common, _region: ev.BridgeLeft(
        **common, bridge=clean_name(str(extra.get("bridge_id", ""))) or ""
    ),
    "BLINDTRANSFER": _transferred,
    "ATTENDEDTRANSFER": _transferred,
    "HANGUP": _hung_up,
    "CHAN_END": lambda _row, _extra, common, _region: ev.ChannelEnded(**common),
    "LINKEDID_END": lambda _row, _extra, common, _region: ev.LinkedidEnded(**common),
}
