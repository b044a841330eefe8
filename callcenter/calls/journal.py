"""Asterisk's journal (CEL through cel_custom): one CSV line is one record; bytes become events.

The file is written by Asterisk and carries text from strangers (names, numbers). The parser is
strict and bounded: a line that breaks a rule is a `Reject` that names the rule, never an exception.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import phonenumbers

from callcenter.asterisk import dialplan
from callcenter.calls import events as ev

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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{9,10})\.(\d{6})")
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,150}")
#: C0, C1, and what turns the reading direction or hides in it (bidi marks, zero width, BOM).
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]"
)
_NODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,140}")
_NUMBER: Final = re.compile(r"[+]?[0-9]{1,20}")
_QUEUE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: An agent, a queue or a number of the directory.
_PASSED_TO: Final = re.compile(r"[+]?[a-z0-9_]{1,40}")
_WORD: Final = re.compile(r"[A-Za-z_]{0,40}")
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


class BrokenRule(ValueError):
    """A field of a journal line breaks the rule that the message names."""


def line_key(line: bytes) -> bytes:
    """The 16 bytes that name a record: the same line is the same record."""
    return blake2b(line, digest_size=16).digest()


def clean_name(text: str) -> str | None:
    """A name fit to be shown: no control or direction characters, at most 200; None if empty."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:200] or None


def normalise_number(text: str, region: str) -> str | None:
    """A caller's number in E.164; what is no public number stays as its digits (1001, 12345).

    None for an empty text and for one that is not a number at all.
    """
    compact = re.sub(r"[\s().-]", "", text)
    if not re.fullmatch(r"\+?[0-9]{2,20}", compact, re.ASCII):
        return None
    try:
        number = phonenumbers.parse(compact, region)
    except phonenumbers.NumberParseException:
        return compact if len(compact) <= 16 else None
    if phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return compact if len(compact) <= 16 else None


def parse_line(line: bytes, region: str) -> ev.CallEvent | Ignored | Reject:
    """One line of the journal, without its newline. `region` reads national numbers (CN)."""
    key = line_key(line)
    try:
        return _parse(line, key, region)
    except BrokenRule as exc:
        text = _UNSEEN.sub("\ufffd", line[:2000].decode("utf-8", "replace"))
        return Reject(key, str(exc), text)


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
    if not _WORD.fullmatch(eventtype) or not eventtype:
        raise BrokenRule("eventtype is not a word")
    common: dict[str, Any] = {
        "key": key,
        "at": _moment(row["eventtime"]),
        "uniqueid": _identifier(row, "uniqueid"),
        "linkedid": _identifier(row, "linkedid"),
        "channel": _UNSEEN.sub("", row["channame"])[:200],
    }
    extra = _extra(row["eventextra"])
    # A user event carries its own name as its type, and again in userdeftype (measured, 22.10.1).
    if row["userdeftype"]:
        return _ours(row, extra, common, region)
    make = _KINDS.get(eventtype)
    return make(row, extra, common, region) if make else Ignored(eventtype)


def _moment(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if not match:
        raise BrokenRule("eventtime is not seconds.microseconds since 1970")
    return _EPOCH + timedelta(seconds=int(match[1]), microseconds=int(match[2]))


def _identifier(row: Mapping[str, str], column: str) -> str:
    if not _ID.fullmatch(row[column]):
        raise BrokenRule(f"{column} is not one of Asterisk's identifiers")
    return row[column]


def _extra(text: str) -> dict[str, Any]:
    """`eventextra`: JSON of Asterisk's own, or our `key=value&…`, bare or under JSON's `extra`."""
    if not text:
        return {}
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise BrokenRule("eventextra is not JSON") from exc
        if not isinstance(value, dict):  # pragma: no cover - starts with a brace
            raise BrokenRule("eventextra is not an object")
        inner = value.get("extra")
        return _pairs(inner) if isinstance(inner, str) else value
    return _pairs(text)


def _pairs(text: str) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not equals or name in pairs:
            raise BrokenRule("eventextra is not key=value&key=value")
        pairs[name] = value
    return pairs


def _text(values: Mapping[str, Any], name: str, rule: re.Pattern[str], default: str = "") -> str:
    value = values.get(name) or default
    if not isinstance(value, str) or (value and not rule.fullmatch(value)):
        raise BrokenRule(f"{name} has a form we do not write")
    return value


def _uuid(values: Mapping[str, Any], name: str) -> UUID:
    try:
        return UUID(str(values.get(name)))
    except ValueError as exc:
        raise BrokenRule(f"{name} is not a UUID") from exc


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    """A small whole number, or None where there is none."""
    text = str(values.get(name, ""))
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None


_Row = Mapping[str, str]
_Extra = Mapping[str, Any]


def _ours(row: _Row, extra: _Extra, common: dict[str, Any], region: str) -> ev.CallEvent | Ignored:
    language = _text(extra, "language", _LANGUAGE) or None
    match row["userdeftype"]:
        case dialplan.JournalEvent.CALL:
            return _call_began(row, extra, common, region, language)
        case dialplan.JournalEvent.IVR:
            node = _text(extra, "node", _NODE)
            if not node:
                raise BrokenRule("node is empty")
            return ev.FlowNodeEntered(
                **common,
                node=node,
                pressed=_text(extra, "key", _PRESSED),
                flow=_text(extra, "flow", _NODE) or None,
                version=_whole(extra, "version"),
                node_type=_text(extra, "type", _WORD),
                language=language,
                about=_text(extra, "about", _ABOUT),
            )
        case dialplan.JournalEvent.EXIT:
            return ev.FlowLeft(
                **common,
                next=_text(extra, "next", _WORD),
                agi=_text(extra, "agi", _WORD),
                language=language,
            )
        case dialplan.JournalEvent.QUEUE:
            queue = _text(extra, "queue", _QUEUE)
            if not queue:
                raise BrokenRule("queue is empty")
            priority = _whole(extra, "priority") or 0
            return ev.QueueEntered(
                **common,
                queue=queue,
                why=_text(extra, "why", _WORD),
                priority=priority if 1 <= priority <= _HIGHEST_PRIORITY else None,
                position=_bounded(extra, "position", 1, _LONGEST_QUEUE),
                estimate_seconds=_bounded(extra, "estimate", 0, _LONGEST_WAIT_SECONDS),
            )
        case dialplan.JournalEvent.QUEUE_EXIT:
            return ev.QueueLeft(
                **common,
                queue=_text(extra, "queue", _QUEUE),
                status=_text(extra, "status", _WORD),
            )
        case dialplan.JournalEvent.TRANSFER:
            return ev.HandingOn(**common, to=_text(extra, "to", _NUMBER))
        case dialplan.JournalEvent.LEG:
            return ev.LegNamed(**common, call_id=_uuid(extra, "call"))
        case dialplan.JournalEvent.HOLD:
            return ev.CitizenHeld(**common)
        case dialplan.JournalEvent.PASSED:
            return ev.PassedOn(
                **common, by=_text(extra, "by", _NUMBER), to=_text(extra, "to", _PASSED_TO)
            )
        case dialplan.JournalEvent.EXPERT:
            return ev.ExpertsMissed(**common, extension=_text(extra, "expert", _EXPERT))
        case dialplan.JournalEvent.RECORDING:
            return ev.RecordingBegan(**common, name=_recording_name(extra))
        case dialplan.JournalEvent.VOICEMAIL:
            return ev.MessageBegan(
                **common, name=_recording_name(extra), reason=_text(extra, "reason", _WORD)
            )
        case dialplan.JournalEvent.VOICEMAIL_END:
            failed = _text(extra, "status", _WORD) == dialplan.RecordStatus.ERROR
            return ev.MessageEnded(
                **common,
                name=_recording_name(extra),
                length_ms=None if failed else _whole(extra, "ms"),
            )
        case dialplan.JournalEvent.CALLBACK:
            return ev.CallbackStep(
                **common,
                callback=str(_uuid(extra, "callback")),
                status=_text(extra, "status", _WORD),
                cause=_bounded(extra, "cause", 1, _HIGHEST_CAUSE),
            )
        case dialplan.JournalEvent.FAX_BEGIN:
            fax = str(_uuid(extra, "fax"))
            return ev.FaxBegan(**common, fax=fax, way=_text(extra, "way", _WORD))
        case dialplan.JournalEvent.FAX:
            return ev.FaxEnded(
                **common,
                fax=str(_uuid(extra, "fax")),
                way=_text(extra, "way", _WORD),
                good=_text(extra, "status", _WORD) == "SUCCESS",
                pages=min(_whole(extra, "pages") or 0, _MOST_FAX_PAGES),
                mode=_text(extra, "mode", _MODE),
                error=_text(extra, "error", _FAX_ERROR)[:200],
                station=_text(extra, "station", _STATION)[:20],
            )
        case dialplan.JournalEvent.ALERT:
            return ev.AlertHeard(
                **common,
                alert=str(_uuid(extra, "alert")),
                agent=_agent(extra),
                acknowledged=_text(extra, "key", _PRESSED) == "1",
            )
        case dialplan.JournalEvent.SPY:
            return ev.SpyBegan(
                **common,
                spied_call=str(_uuid(extra, "call")),
                agent=_agent(extra),
                mode=_one_of(extra, "mode", _SPY_MODES),
            )
        case dialplan.JournalEvent.TAKE_OVER:
            return ev.TakenOver(**common, agent=_agent(extra))
        case dialplan.JournalEvent.SURVEY:
            return ev.SurveyBegan(**common)
        case _:
            return Ignored(row["eventtype"])


def _agent(extra: _Extra) -> str:
    agent = _text(extra, "agent", _AGENT)
    if not agent:
        raise BrokenRule("agent is empty")
    return agent


def _one_of(extra: _Extra, name: str, words: frozenset[str]) -> str:
    word = _text(extra, name, _WORD)
    if word not in words:
        raise BrokenRule(f"{name} has a form we do not write")
    return word


def _bounded(extra: _Extra, name: str, least: int, most: int) -> int | None:
    value = _whole(extra, name)
    return value if value is not None and least <= value <= most else None


def _recording_name(extra: _Extra) -> str:
    name = _text(extra, "recording", _RECORDING)
    if not name:
        raise BrokenRule("recording is empty")
    return name


def _call_began(
    row: _Row, extra: _Extra, common: dict[str, Any], region: str, language: str | None
) -> ev.CallBegan:
    direction = _text(extra, "direction", _WORD, "inbound")
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
        call_id=_uuid(extra, "call"),
        direction=direction,
        dialled=_text(extra, "dialled", dialplan.SAFE)[:40] or None,
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
        cause=_whole(extra, "hangupcause"),
        source=_UNSEEN.sub("", source)[:200] if isinstance(source, str) else "",
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
