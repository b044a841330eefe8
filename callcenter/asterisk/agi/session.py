"""A flow's `CallSession` spoken in AGI.

Which command plays what (res_agi.c, app_read.c, pbx_builtins.c of Asterisk 22):

- GET DATA plays ONE file (`ast_app_getdata_full`; only `ast_app_getdata`, which the application
  Read uses, goes on at `&`). `200 result=12` keys, `200 result= (timeout)` none, `200 result=` was
  the terminator `#` alone, `200 result=-1` hang-up or no such file.
- STREAM FILE plays one file, EXEC Background several; both answer with the ASCII code of the key.
- Read plays several and gathers keys, but leaves them in a variable: a second round trip. So it
  runs in the same GOSUB that journals the step.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from callcenter.asterisk.agi.request import PROMPT, AgiRequest
from callcenter.asterisk.agi.server import AgiCounters
from callcenter.asterisk.dialplan import (
    SAFE,
    Context,
    Exit,
    Variable,
)
from callcenter.asterisk.errors import AgiError, UnsafeValue
from callcenter.ivr.exits import (
    CallBack,
    EnterQueue,
    FlowExit,
    HangUp,
    LeaveMessage,
    Refuse,
    SendFax,
    Transfer,
)
from callcenter.ivr.session import CallerHungUp, Step

log = logging.getLogger(__name__)

_PATH: Final = re.compile(r"[A-Za-z0-9._/-]+")
_EVERY_KEY: Final = "0123456789*#"
#: The least a second of prompt weighs (8-bit 8 kHz); ours weigh twice that, so the time limit of a
#: command is at least twice the length of what it plays.
_BYTES_PER_SECOND: Final = 8000


class SessionRefused(AgiError):
    """The dialplan started a flow without a valid call id."""

    slug = "agi-session-refused"


class AgiCallSession:
    """One caller on one channel; implements `callcenter.ivr.session.CallSession`.

    Raises from every method what `AgiRequest.command` raises.
    """

    def __init__(
        self, request: AgiRequest, counters: AgiCounters, caller: str | None = None
    ) -> None:
        """Reads the session's arguments: call id, line, node to go on from (or empty). `caller` is
        the caller's number in E.164.

        Raises `SessionRefused` when the call id is no UUID.
        """
        call_id = request.call_id
        if call_id is None:
            raise SessionRefused
        self.call_id: UUID = call_id
        self.line: str = request.argument(2)
        # `<flow>:<node>`, as sub-ivr-step left it in CC_NODE.
        flow, _, node = request.argument(3).rpartition(":")
        self.resume_node: str | None = node or None
        self.resume_flow: str | None = flow or None
        self.language: str | None = request.headers.get("agi_language") or None
        self.caller = caller
        self._request = request
        self._counters = counters

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        """The keys pressed, `#` for the terminator alone, None for nothing within `timeout`.

        One prompt: GOSUB for the step, GET DATA. Several: GOSUB for step and Read together, then
        the variable. Two round trips either way, one for one prompt without a step.
        """
        files, length = self._on_disk(prompts)
        milliseconds = max(1, round(timeout.total_seconds() * 1000))
        limit = length + timeout * max_digits + PROMPT
        if len(files) > 1:
            return await self._read(files, milliseconds / 1000, max_digits, limit, entering)
        if entering is not None:
            await self.entered(entering)
        reply = await self._request.command(
            "GET DATA", files[0] if files else "", milliseconds, max_digits, timeout=limit
        )
        if reply.result:
            return reply.result
        return None if reply.value == "timeout" else "#"

    async def _read(
        self,
        files: list[str],
        seconds: float,
        max_digits: int,
        limit: timedelta,
        entering: Step | None,
    ) -> str | None:
        arguments = ",".join(
            (
                *_step_arguments(entering),
                "&".join(files),
                str(max_digits),
                f"{seconds:g}",
                _safe(entering.about) if entering else "",
            )
        ).removesuffix(",")
        await self._request.command("GOSUB", Context.SUB_IVR_ASK, "s", 1, arguments, timeout=limit)
        both = f"${{READSTATUS}}:${{{Variable.KEYS}}}"
        reply = await self._request.command("GET FULL VARIABLE", both)
        status, _, keys = (reply.value or "").partition(":")
        if status == "HANGUP":
            raise CallerHungUp
        return keys or ("#" if status == "OK" else None)

    async def play(self, prompts: Sequence[Path]) -> str | None:
        """The key that interrupted, None when all was heard. One round trip, none for silence."""
        files, length = self._on_disk(prompts)
        limit = length + PROMPT
        if not files:
            return None
        if len(files) == 1:
            reply = await self._request.command("STREAM FILE", files[0], _EVERY_KEY, timeout=limit)
        else:
            # The fourth argument is the context whose extensions Background would jump to on a
            # matching key. A Gosub context has none of one digit, so that the key comes to us.
            arguments = f"{'&'.join(files)},,,{Context.SUB_IVR_STEP}"
            reply = await self._request.command("EXEC", "Background", arguments, timeout=limit)
        return reply.key

    async def entered(self, step: Step) -> None:
        """Journals the step: `sub-ivr-step` gets node, key, flow, version, about as ARG1 to 5."""
        arguments = ",".join((*_step_arguments(step), _safe(step.about))).removesuffix(",")
        await self._request.command("GOSUB", Context.SUB_IVR_STEP, "s", 1, arguments)

    async def set_language(self, language: str) -> None:
        """Sets the channel's language and CC_LANGUAGE (inherited by legs) in one round trip."""
        name = _safe(language)
        arguments = f"CHANNEL(language)={name},__{Variable.LANGUAGE}={name}"
        await self._request.command("EXEC", "MSet", arguments)
        self.language = language

    async def leave(self, exit: FlowExit) -> None:
        """Says where the call goes. CC_NEXT is the last command: without it nothing counts."""
        word, variables = _exit_variables(exit)
        if variables:
            pairs = ",".join(f"{name}={_safe(value)}" for name, value in variables.items())
            await self._request.command("EXEC", "MSet", pairs)
        await self._request.command("SET VARIABLE", Variable.NEXT, word.value)

    def _on_disk(self, prompts: Sequence[Path]) -> tuple[list[str], timedelta]:
        """The prompts that exist, as Asterisk names them (no `.wav`), and at most their length.

        A missing one is passed over: Asterisk would say -1, which reads like a hang-up.
        """
        files: list[str] = []
        size = 0
        for prompt in prompts:
            name = str(prompt).removesuffix(".wav")
            if not _PATH.fullmatch(name) or ".." in Path(name).parts:
                raise UnsafeValue("A prompt's path holds characters that AGI reads as its own.")
            try:
                size += Path(f"{name}.wav").stat().st_size
            except OSError:
                self._counters.prompts_missing += 1
                log.warning("call %s: prompt %s.wav is missing", self.call_id, name)
                continue
            files.append(name)
        return files, timedelta(seconds=size / _BYTES_PER_SECOND)


def _exit_variables(exit: FlowExit) -> tuple[Exit, dict[Variable, str]]:
    """The value of CC_NEXT, and what the dialplan needs beside it."""
    match exit:
        case EnterQueue():
            variables = {Variable.QUEUE: exit.queue}
            if exit.priority:
                variables[Variable.PRIORITY] = str(exit.priority)
            if exit.position is not None:
                variables[Variable.POSITION] = str(exit.position)
            if exit.wait is not None:
                variables[Variable.ESTIMATE] = str(round(exit.wait.total_seconds()))
            if exit.survey:
                variables[Variable.SURVEY] = "yes"
            return Exit.QUEUE, variables
        case LeaveMessage():
            variables = {Variable.REASON: exit.why}
            if exit.greeting:
                variables[Variable.GREETING] = exit.greeting
            return Exit.VOICEMAIL, variables
        case SendFax():
            return Exit.FAX, {Variable.FAX: str(exit.order)}
        case Transfer():
            return Exit.TRANSFER, {
                Variable.TRANSFER_TO: exit.to,
                Variable.TRANSFER_SECONDS: str(exit.ring_seconds),
                Variable.QUEUE: exit.queue,
            }
        case CallBack():
            return Exit.CALLBACK, {}
        case Refuse():
            return Exit.BLOCKED, {}
        case HangUp():
            return Exit.HANGUP, {}


def _step_arguments(step: Step | None) -> tuple[str, str, str, str]:
    if step is None:
        return ("", "", "", "")
    return (_safe(step.node), _safe(step.key), _safe(step.flow), _safe(str(step.version)))


def _safe(value: str) -> str:
    if not SAFE.fullmatch(value):
        raise UnsafeValue("A value for the dialplan holds characters it would read as its own.")
    return value
