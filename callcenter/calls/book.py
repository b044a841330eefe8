"""Which record belongs to which call, and the calls that are going on, folded record by record.

Pure: no SQL, no clock. The consumer gives it records in the journal's order and writes what it
says has changed. Records that come before our UUID is known (CHAN_START is older than CC_CALL) are
held; what reached our door (`from-trunk`, `cc-inbound`) without ever getting a UUID is a call all
the same, with an identity derived from its uniqueid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID, uuid5

from callcenter.asterisk.channel_ids import alert_call_of, fax_call_of, leg_call_of, spy_call_of
from callcenter.asterisk.dialplan import (
    Context,
)
from callcenter.calls import events as ev
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.fold import apply, begin
from callcenter.calls.model import Call, agent_of
from callcenter.calls.tail import Position

_DERIVED: Final = UUID("5f0c9b0e-0a55-5d0c-8a5e-12345c0ffee0")
_OUR_DOOR: Final = (Context.FROM_TRUNK.value, Context.INBOUND.value)
#: Bounds of what is held. A group that breaks one is judged at once.
_LARGEST_GROUP: Final = 200
_MOST_HELD: Final = 20_000


def derived_call_id(node: str, uniqueid: str) -> UUID:
    """The identity of a call that Asterisk saw and our dialplan did not name."""
    return uuid5(_DERIVED, f"{node}/{uniqueid}")


def _key(word: bytes, *parts: bytes) -> bytes:
    return blake2b(b"/".join((word, *parts)), digest_size=16).digest()


class CallBook:
    """The live calls of one node. `facts`, `applied` and `changed` are what `take` did since the
    last `forget_settled`."""

    def __init__(self, node: str) -> None:
        self._node = node
        self.calls: dict[UUID, Call] = {}
        self._by_uniqueid: dict[str, UUID] = {}
        self._by_linkedid: dict[str, UUID] = {}
        self._held: dict[str, list[tuple[CallEvent, Position]]] = {}
        self._held_count = 0
        self._linkedid_over: set[UUID] = set()
        self.dropped = 0
        self.facts: list[Fact] = []
        self.applied: list[tuple[UUID, CallEvent]] = []
        self.changed: dict[UUID, None] = {}

    @property
    def held(self) -> int:
        """Records that wait for their call."""
        return self._held_count

    def oldest_held(self) -> Position | None:
        """Reading must go on from here after a restart; None when nothing is held."""
        for group in self._held.values():
            return group[0][1]
        return None

    def unknown(self, events: Iterable[CallEvent]) -> tuple[set[str], set[str], set[UUID]]:
        """Uniqueids, linkedids and call ids that the rows may know and this book does not."""
        uniqueids: set[str] = set()
        linkedids: set[str] = set()
        call_ids: set[UUID] = set()
        for event in events:
            if isinstance(event, ev.CallBegan) and event.call_id not in self.calls:
                call_ids.add(event.call_id)
            named = _named(event)
            if named is not None and named not in self.calls:
                call_ids.add(named)
            if event.linkedid in self._held:
                continue
            if event.uniqueid not in self._by_uniqueid:
                uniqueids.add(event.uniqueid)
                if event.linkedid not in self._by_linkedid:
                    linkedids.add(event.linkedid)
        return uniqueids, linkedids, call_ids

    def knows(self, uniqueid: str) -> bool:
        """Whether a record of this channel has its call here."""
        return uniqueid in self._by_uniqueid

    def know(self, call: Call) -> None:
        """Take in a call that was folded before, from its rows."""
        self.calls[call.call_id] = call
        self._by_uniqueid.setdefault(call.uniqueid, call.call_id)
        for leg in call.legs:
            # A leg that was moved by a transfer is over in the call it left.
            if leg.ended_at is None:
                self._by_uniqueid[leg.uniqueid] = call.call_id
            self._by_uniqueid.setdefault(leg.uniqueid, call.call_id)
        for linkedid in call.linkedids:
            if linkedid == call.linkedid:
                self._by_linkedid[linkedid] = call.call_id
            else:
                self._by_linkedid.setdefault(linkedid, call.call_id)

    def take(self, event: CallEvent, start: Position) -> None:
        """The next record of the journal, read at `start`."""
        if isinstance(event, ev.CallBegan):
            self._begin(event)
            return
        self._attach(event)
        owner = self._by_uniqueid.get(event.uniqueid)
        if owner is None or isinstance(event, ev.LinkedidEnded):
            owner = self._by_linkedid.get(event.linkedid, owner)
        if owner is not None:
            owner = self._moved(owner, event)
            self._apply(owner, event)
            if isinstance(event, ev.LinkedidEnded):
                self._linkedid_over.add(owner)
        elif isinstance(event, ev.LinkedidEnded):
            self._hold(event, start)
            self._judge(event.linkedid)
        else:
            self._hold(event, start)
            if len(self._held[event.linkedid]) > _LARGEST_GROUP:
                self._judge(event.linkedid)
            if self._held_count > _MOST_HELD:
                self._judge(next(iter(self._held)))

    def end_gone(self, live: Collection[str], snapshot_at: datetime) -> None:
        """End every call of which Asterisk had no channel in a snapshot begun at `snapshot_at`.

        The journal must have been read to its end since. Calls with a younger record are left out:
        the snapshot may not have seen their channels.
        """
        for linkedid, group in list(self._held.items()):
            newest = max(event.at for event, _ in group)
            if newest < snapshot_at and not any(event.uniqueid in live for event, _ in group):
                self._judge(linkedid)
        for call in list(self.calls.values()):
            newest = max(call.started_at, call.last_event_at or call.started_at)
            channels = {call.uniqueid, *(leg.uniqueid for leg in call.legs if not leg.ended_at)}
            if call.is_settled or newest >= snapshot_at or not channels.isdisjoint(live):
                continue
            self._apply(
                call.call_id,
                ev.Reconciled(
                    key=_key(b"reconciled", call.call_id.bytes),
                    at=snapshot_at,
                    uniqueid=call.uniqueid,
                    linkedid=call.linkedid,
                ),
            )

    def forget_settled(self, before: datetime | None = None) -> None:
        """After the commit: drop what is over; without its LINKEDID_END only if older than
        `before`. A record that still comes finds its call in the rows."""
        for call_id in [*self.changed] if before is None else [*self.calls]:
            call = self.calls.get(call_id)
            if call is None or not call.is_settled:
                continue
            last = call.last_event_at or call.started_at
            if call_id in self._linkedid_over or (before is not None and last < before):
                self._forget(call)
        self.facts, self.applied, self.changed = [], [], {}

    def _forget(self, call: Call) -> None:
        del self.calls[call.call_id]
        self._linkedid_over.discard(call.call_id)
        for uniqueid in {call.uniqueid, *(leg.uniqueid for leg in call.legs)}:
            if self._by_uniqueid.get(uniqueid) == call.call_id:
                del self._by_uniqueid[uniqueid]
        for linkedid in call.linkedids:
            if self._by_linkedid.get(linkedid) == call.call_id:
                del self._by_linkedid[linkedid]

    def _begin(self, event: ev.CallBegan) -> None:
        before = self._by_uniqueid.get(event.uniqueid)
        if before is not None and before != event.call_id:
            self._supersede(before, event)
        if event.call_id not in self.calls:
            self.calls[event.call_id] = begin(event.call_id, self._node, event)
        self._by_uniqueid[event.uniqueid] = event.call_id
        self._by_linkedid.setdefault(event.linkedid, event.call_id)
        self._apply(event.call_id, event)
        for held, _ in self._release(event.linkedid):
            self._apply(event.call_id, held)

    def _attach(self, event: CallEvent) -> None:
        """A channel that an act called in is a leg of the call it names, by its id or by CC_LEG."""
        named = _named(event)
        if named not in self.calls or event.uniqueid in self._by_uniqueid:
            return
        assert named is not None
        self._by_uniqueid[event.uniqueid] = named
        # What came of it before CC_LEG told.
        for held, _ in self._release(event.linkedid):
            self._apply(named, held)

    def _moved(self, owner: UUID, event: CallEvent) -> UUID:
        """An attended transfer gives a leg of one call the linkedid of the other (the older one
        stays): from there on it is a leg of that call."""
        other = self._by_linkedid.get(event.linkedid, owner)
        if other == owner or event.linkedid != self.calls[other].linkedid:
            return owner
        if event.uniqueid == self.calls[owner].uniqueid or self.calls[other].ended_at:
            return owner
        self._apply(
            owner,
            ev.LegMoved(
                key=_key(b"moved", owner.bytes, event.key),
                at=event.at,
                uniqueid=event.uniqueid,
                linkedid=self.calls[owner].linkedid,
                channel=event.channel,
                call_id=other,
            ),
        )
        self._by_uniqueid[event.uniqueid] = other
        return other

    def _supersede(self, before: UUID, event: ev.CallBegan) -> None:
        """One channel, two UUIDs: the later one is what the channel carries from now on."""
        old = self.calls[before]
        if self._by_linkedid.get(event.linkedid) == before:
            del self._by_linkedid[event.linkedid]
        if old.uniqueid == event.uniqueid and not old.ended_at:
            self._apply(
                before,
                ev.Superseded(
                    key=_key(b"superseded", before.bytes, event.call_id.bytes),
                    at=event.at,
                    uniqueid=event.uniqueid,
                    linkedid=old.linkedid,
                    call_id=event.call_id,
                ),
            )

    def _judge(self, linkedid: str) -> None:
        """Nobody named these records: a call of ours if they came in by our door."""
        group = [event for event, _ in self._release(linkedid)]
        fax_call = next((found for e in group if (found := fax_call_of(e.uniqueid))), None)
        spy_call = next((found for e in group if (found := spy_call_of(e.uniqueid))), None)
        alert_call = next((found for e in group if (found := alert_call_of(e.uniqueid))), None)
        over_trunk = fax_call or (alert_call and not agent_of(group[0].channel))
        if our_call := fax_call or spy_call or alert_call:
            # A call of ours that was not answered, so that it never came to the dialplan.
            self._begin(
                ev.CallBegan(
                    key=_key(b"derived", our_call.bytes),
                    at=group[0].at,
                    uniqueid=group[0].uniqueid,
                    linkedid=linkedid,
                    channel=group[0].channel,
                    call_id=our_call,
                    direction="outbound" if over_trunk else "internal",
                    derived=True,
                )
            )
            self._adopt(our_call, group)
            return
        door = next(
            (
                e
                for e in group
                if isinstance(e, ev.ChannelStarted)
                and e.context in _OUR_DOOR
                # We called over the trunk: nobody came in.
                and leg_call_of(e.uniqueid) is None
            ),
            None,
        )
        if door is None:
            self.dropped += len(group)
            return
        call_id = derived_call_id(self._node, door.uniqueid)
        self._begin(
            ev.CallBegan(
                key=_key(b"derived", call_id.bytes),
                at=door.at,
                uniqueid=door.uniqueid,
                linkedid=door.linkedid,
                channel=door.channel,
                call_id=call_id,
                dialled=door.exten[:40] or None,
                number=door.number,
                name=door.name,
                source="from" if door.number else "unknown",
                derived=True,
            )
        )
        self._adopt(call_id, group)

    def _adopt(self, call_id: UUID, group: Iterable[CallEvent]) -> None:
        for event in group:
            self._apply(call_id, event)
            if isinstance(event, ev.LinkedidEnded):
                self._linkedid_over.add(call_id)

    def _hold(self, event: CallEvent, start: Position) -> None:
        self._held.setdefault(event.linkedid, []).append((event, start))
        self._held_count += 1

    def _release(self, linkedid: str) -> list[tuple[CallEvent, Position]]:
        group = self._held.pop(linkedid, [])
        self._held_count -= len(group)
        return group

    def _apply(self, call_id: UUID, event: CallEvent) -> None:
        call = self.calls[call_id]
        if event.key in call.seen:
            return
        after, facts = apply(call, event)
        self.calls[call_id] = after
        if not isinstance(event, ev.LinkedidEnded | ev.Superseded):
            self._by_uniqueid.setdefault(event.uniqueid, call_id)
            self._by_linkedid.setdefault(event.linkedid, call_id)
        self.facts += facts
        self.applied.append((call_id, event))
        self.changed[call_id] = None


def _named(event: CallEvent) -> UUID | None:
    """The call that an act of ours says this channel belongs to."""
    return event.call_id if isinstance(event, ev.LegNamed) else leg_call_of(event.uniqueid)


def with_node_types(
    event: CallEvent, types: Mapping[tuple[str, int], Mapping[str, str]]
) -> CallEvent:
    """The same record, with the type that its node has in that version of the flow."""
    if not isinstance(event, ev.FlowNodeEntered) or event.node_type:
        return event
    known = types.get((event.flow or "", event.version or 0), {})
    return replace(event, node_type=known.get(event.node, ""))


def refold(call_id: UUID, node: str, events: Iterable[CallEvent]) -> Call | None:
    """A call from its stored records, oldest first; None when there are none."""
    call: Call | None = None
    for event in events:
        call, _ = apply(call or begin(call_id, node, event), event)
    return call
