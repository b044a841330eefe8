"""What agents wish for by feature codes, taken over from Asterisk.

The dialplan acts by itself (with everything of ours dead), and leaves word twice: a UserEvent for
whoever listens now, and a note in Asterisk's own database for whoever comes later:
`cc_wish/<agent>` = `<ms since 1970>:<ready|paused|offline|done>:<reason>`. The newest wish wins,
whether it came by phone or by REST.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from callcenter.agents.model import is_agent_id
from callcenter.agents.sessions.model import Act, Wish
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.dialplan import (
    WISH_EVENT,
    WISH_FAMILY,
)
from callcenter.asterisk.errors import ActionRefused

#: Who wished, in the rows.
BY_PHONE: Final = "phone"


class DialledCodes:
    """Wishes that are not kept in our rows yet."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami
        self._waiting: dict[str, Wish] = {}
        self._look_up = True

    def on_user_event(self, event: AmiMessage) -> str | None:
        """The agent whose code it was, None where it is no such event."""
        if event.get("UserEvent") != WISH_EVENT:
            return None
        agent_id = event.get("Agent") or ""
        return self._note(
            agent_id, f"{event.get('At')}:{event.get('Act')}:{event.get('Reason') or ''}"
        )

    def look_them_up(self) -> None:
        """Events may have been missed: read Asterisk's notes the next time."""
        self._look_up = True

    async def taken(self) -> list[tuple[str, Wish]]:
        """What to keep now. Raises `AsteriskError`s."""
        if self._look_up:
            for event in await self._ami.list_action("DBGetTree", {"Family": WISH_FAMILY}):
                agent_id = (event.get("Key") or "").rpartition("/")[2]
                self._note(agent_id, event.get("Val") or "")
            self._look_up = False
        return list(self._waiting.items())

    async def is_kept(self, agent_id: str, wish: Wish) -> None:
        """The wish stands in our rows: Asterisk need not remember it."""
        if self._waiting.get(agent_id) == wish:
            del self._waiting[agent_id]
            try:
                await self._ami.action("DBDel", {"Family": WISH_FAMILY, "Key": agent_id})
            except ActionRefused:
                return  # it was gone already

    def _note(self, agent_id: str, text: str) -> str | None:
        wish = read_wish(text)
        if wish is None or not is_agent_id(agent_id):
            return None
        before = self._waiting.get(agent_id)
        if before is None or before.at <= wish.at:
            self._waiting[agent_id] = wish
        return agent_id


def read_wish(text: str) -> Wish | None:
    """`<ms since 1970>:<act>:<reason>`; None for anything else."""
    at, _, rest = text.partition(":")
    act, _, reason = rest.partition(":")
    if not at.isascii() or not at.isdigit() or len(at) > 14 or act not in {*Act}:
        return None
    return Wish(
        act=Act(act),
        at=datetime.fromtimestamp(int(at) / 1000, UTC),
        by=BY_PHONE,
        reason=reason if act == Act.PAUSE else None,
    )
