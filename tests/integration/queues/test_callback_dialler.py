"""Callbacks are placed once, at their place, within the hours; missed calls become a duty."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.tables import audit_records
from callcenter.bootstrap.callbacks import CallbackCases
from callcenter.calls import facts as fa
from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.calls.tables import calls, queue_visits
from callcenter.cases.service import CaseService
from callcenter.cases.store import case_of_call
from callcenter.cases.tables import case_calls
from callcenter.ivr.tables import ivr_flows
from callcenter.lines.surveys.tables import line_surveys
from callcenter.lines.tables import lines
from callcenter.platform.db import Database
from callcenter.queues.callbacks.dialler import (
    CallbackCall,
    CallbackDialler,
    QueueNow,
)
from callcenter.queues.callbacks.duty import CallbackDuty
from callcenter.queues.callbacks.model import (
    CallbackState,
    Kind,
    MissedCallStays,
    NobodyReached,
    OpenElsewhere,
    Outcome,
    Policy,
    Try,
)
from callcenter.queues.callbacks.service import (
    CallbackFilter,
    CallbackService,
    CallbackView,
    take_callback,
)
from callcenter.queues.callbacks.tables import callbacks
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queues
from callcenter.switch.placing import NotPlaced, OutcomeUnknown
from callcenter.testing.desk import add_call
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

NUMBER = "+8613800138000"
OTHER = "+8613800138001"
#: The clock begins at 17:00 in the city.
POLICY = Policy(
    tries=3,
    pause=timedelta(minutes=10),
    ring=timedelta(seconds=45),
    hours=Hours(time(8), time(21), ZoneInfo("Asia/Shanghai")),
    deadline=timedelta(minutes=30),
    shortest_wait=timedelta(seconds=5),
)


@dataclass
class Lines:
    """A switch that does as it is told and remembers what it was asked."""

    placed: list[CallbackCall] = field(default_factory=list)
    withdrawn: list[UUID] = field(default_factory=list)
    channels: set[UUID] = field(default_factory=set)
    fails: Exception | None = None
    queue: QueueNow = field(default_factory=lambda: QueueNow(somebody=True, room=True))

    def is_ready(self) -> bool:
        return True

    async def queues(self) -> Mapping[str, QueueNow]:
        return {"general": self.queue}

    async def place(self, call: CallbackCall) -> None:
        self.placed.append(call)
        if self.fails is not None:
            raise self.fails

    async def live(self) -> Collection[UUID]:
        return self.channels

    async def withdraw(self, call_id: UUID) -> None:
        self.withdrawn.append(call_id)


@dataclass
class OpeningHours:
    closed_for: timedelta = timedelta()

    async def opens_at(self, connection: AsyncConnection, line: str, at: datetime) -> datetime:
        return at + self.closed_for


@dataclass
class Room:
    database: Database
    clock: FixedClock = field(default_factory=FixedClock)
    lines: Lines = field(default_factory=Lines)
    hours: OpeningHours = field(default_factory=OpeningHours)
    policy: Policy = POLICY
    rule: NumberRule = field(default_factory=lambda: NumberRule("CN"))

    @property
    def duty(self) -> CallbackDuty:
        cases = CaseService(self.database, self.clock)
        return CallbackDuty(CallbackCases(cases), self.policy, self.rule)

    def dialler(self, *, read: bool = True) -> CallbackDialler:
        return CallbackDialler(
            self.database,
            self.lines,
            self.duty,
            self.hours,
            node="node1",
            policy=self.policy,
            rule=self.rule,
            clock=self.clock,
            journal_is_read=lambda: read,
        )

    async def wish(self, number: str = NUMBER, *, over: bool = True, **call: object) -> UUID:
        """A caller who waits and wants to be called back; the callback."""
        async with self.database.transaction() as connection:
            call_id = await self.call(connection, number, over=over, **call)
            await take_callback(
                connection,
                call_id,
                queue="general",
                number=number,
                language="zh",
                at=self.clock(),
                line="12345",
                policy=self.policy,
                dials=True,
            )
        return (await self.to(number)).callback.callback_id

    async def line(self, connection: AsyncConnection, number: str, queue: str = "general") -> None:
        """There is such a line."""
        now = self.clock()
        await connection.execute(
            insert(ivr_flows).values(name="main", title="Main", created_at=now)
        )
        values = {"number": number, "title": "x", "flow": "main", "language": "zh"}
        await connection.execute(insert(lines).values(queue=queue, **values))

    async def wish_of_another_call(self) -> None:
        async with self.database.transaction() as connection:
            call_id = await self.call(connection, over=True)
            await take_callback(
                connection, call_id, queue="general", number=NUMBER, language="zh", at=self.clock()
            )

    async def call(
        self,
        connection: AsyncConnection,
        number: str | None = NUMBER,
        *,
        over: bool,
        **more: object,
    ) -> UUID:
        columns: dict[str, object] = {"caller_number": number, "line": "12345"}
        if over:
            columns |= {
                "state": "ended",
                "ended_at": self.clock(),
                "disposition": "callback_requested",
                "hangup_by": "system",
            }
        return await add_call(connection, self.clock(), **(columns | more))

    async def waited(
        self,
        disposition: str,
        seconds: float,
        number: str | None = NUMBER,
        outcome: str = "timeout",
        queue: str = "general",
    ) -> UUID:
        """A caller who waited so long and left, as the journal tells it."""
        entered_at = self.clock()
        self.clock.forward(timedelta(seconds=seconds))
        async with self.database.transaction() as connection:
            call_id = await self.call(
                connection, number, over=True, disposition=disposition, started_at=entered_at
            )
            await connection.execute(
                update(calls).where(calls.c.call_id == call_id).values(started_at=entered_at)
            )
            await connection.execute(
                insert(queue_visits).values(
                    call_id=call_id,
                    visit=1,
                    queue=queue,
                    why="flow",
                    entered_at=entered_at,
                    left_at=self.clock(),
                    outcome="abandoned" if disposition == "abandoned" else outcome,
                )
            )
        await self.tell(
            fa.CallEnded(
                call_id=call_id, at=self.clock(), disposition=disposition, hangup_by="caller"
            )
        )
        return call_id

    async def answered(self, number: str = NUMBER) -> UUID:
        """A caller whom an agent has answered."""
        async with self.database.transaction() as connection:
            call_id = await self.call(
                connection, number, over=False, agent="1001", agent_answered_at=self.clock()
            )
        await self.tell(fa.AgentAnswered(call_id=call_id, at=self.clock(), agent="1001"))
        return call_id

    async def begun(self, call: CallbackCall) -> None:
        """The journal has the call of this attempt."""
        async with self.database.transaction() as connection:
            await add_call(
                connection,
                self.clock(),
                call_id=call.call_id,
                direction="outbound",
                caller_number=call.number,
            )

    async def over(
        self, call: CallbackCall, by: str = "system", *, reconciled: bool = False
    ) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                update(calls)
                .where(calls.c.call_id == call.call_id)
                .values(
                    state="ended",
                    ended_at=self.clock(),
                    disposition="failed",
                    hangup_by=by,
                )
            )
        await self.tell(
            fa.CallEnded(
                call_id=call.call_id,
                at=self.clock(),
                disposition="failed",
                hangup_by=by,
                reconciled=reconciled,
            )
        )

    async def dialled(self, call: CallbackCall, status: str | None) -> None:
        """An agent took it and the citizen was dialled; None: reached."""
        await self.begun(call)
        key, now = str(call.callback_id), self.clock()
        await self.tell(
            fa.AgentRang(call_id=call.call_id, at=now, agent="1001"),
            fa.AgentAnswered(call_id=call.call_id, at=now, agent="1001"),
            fa.CitizenDialled(call_id=call.call_id, at=now, callback=key),
            fa.CitizenReached(call_id=call.call_id, at=now)
            if status is None
            else fa.CitizenNotReached(call_id=call.call_id, at=now, callback=key, status=status),
        )
        await self.over(call)

    async def tell(self, *facts: fa.Fact) -> None:
        async with self.database.transaction() as connection:
            await self.duty.on_facts(connection, facts)

    async def all(self) -> list[CallbackView]:
        service = CallbackService(self.database, self.clock, self.policy, self.rule)
        return list(await service.list(CallbackFilter(), after=None, limit=100))

    async def to(self, number: str = NUMBER) -> CallbackView:
        (found,) = [one for one in await self.all() if one.callback.number == number]
        return found

    async def tries(self) -> list[tuple[str, str | None]]:
        found: list[Try] = list((await self.to()).tries)
        return [(one.state, one.outcome) for one in found]


@pytest.fixture
async def room(database: Database) -> Room:
    async with database.transaction() as connection:
        await seed_queues(connection)
    return Room(database)


# Placing -----------------------------------------------------------------------------------------


async def test_a_wish_is_placed_once_at_its_place(room: Room) -> None:
    began = room.clock()
    key = await room.wish(over=False, priority=5)
    room.clock.forward(timedelta(seconds=40))
    assert await room.dialler().step() == 0, "whoever still talks to us is not dialled"
    async with room.database.transaction() as connection:
        await connection.execute(
            update(calls).values(
                state="ended",
                ended_at=room.clock(),
                disposition="callback_requested",
                hangup_by="system",
            )
        )
    assert await room.dialler().step() == 1
    assert await room.dialler().step() == 0
    (call,) = room.lines.placed
    assert (call.callback_id, call.number, call.dialled) == (key, NUMBER, "13800138000")
    assert (call.joined_at, call.priority, call.line) == (began, 5, "12345")
    # Not longer than the hours: 21:00 in the city is four hours later.
    assert call.until == began.replace(hour=13)
    assert await room.tries() == [("placed", None)]


async def test_the_place_is_that_of_the_first_wait(room: Room) -> None:
    call_id = await room.waited("callback_requested", 60, outcome="left_by_key")
    async with room.database.transaction() as connection:
        await take_callback(
            connection,
            call_id,
            queue="general",
            number=NUMBER,
            language="zh",
            at=room.clock(),
            policy=POLICY,
            dials=True,
        )
    await room.tell(
        fa.CallEnded(
            call_id=call_id,
            at=room.clock(),
            disposition="callback_requested",
            hangup_by="system",
        )
    )
    wish = (await room.to()).callback
    assert wish.wanted_at - wish.place_at == timedelta(seconds=60)


async def test_those_who_wait_longest_are_placed_first(room: Room) -> None:
    await room.wish(OTHER)
    room.clock.forward(timedelta(seconds=1))
    await room.wish(NUMBER)
    assert await room.dialler().step() == 2
    assert [call.number for call in room.lines.placed] == [OTHER, NUMBER]


async def test_two_diallers_place_an_attempt_once(room: Room) -> None:
    await room.wish()
    one, other = room.dialler(), room.dialler()
    assert sorted([await one.step(), await other.step()]) == [0, 1]


async def test_at_night_the_place_is_kept_until_the_morning(room: Room) -> None:
    room.clock.forward(timedelta(hours=5))  # 22:00 in the city
    await room.wish()
    wish = (await room.to()).callback
    assert wish.next_try_at == room.clock().replace(day=3, hour=0)
    assert await room.dialler().step() == 0
    room.clock.forward(timedelta(hours=10))
    assert await room.dialler().step() == 1
    assert room.lines.placed[0].joined_at == wish.place_at


async def test_a_closed_line_calls_nobody_back(room: Room) -> None:
    await room.wish()
    room.hours.closed_for = timedelta(hours=1)
    assert await room.dialler().step() == 0
    assert await room.tries() == []
    room.hours.closed_for = timedelta()
    assert await room.dialler().step() == 0
    room.clock.forward(timedelta(hours=1))
    assert await room.dialler().step() == 1


@pytest.mark.parametrize(
    "queue", [QueueNow(somebody=False, room=True), QueueNow(somebody=True, room=False)]
)
async def test_no_attempt_is_spent_on_a_queue_that_serves_nobody(
    room: Room, queue: QueueNow
) -> None:
    await room.wish()
    room.lines.queue = queue
    for _ in range(3):
        assert await room.dialler().step() == 0
        room.clock.forward(timedelta(seconds=10))
    assert await room.tries() == []
    room.lines.queue = QueueNow(somebody=True, room=True)
    assert await room.dialler().step() == 1


async def test_without_a_way_out_people_dial(room: Room) -> None:
    await room.wish()
    room.rule = replace(room.rule, dials=False)
    assert await room.dialler().step() == 0


async def test_a_number_that_is_not_called_any_more_is_left_to_people(room: Room) -> None:
    await room.wish()
    room.rule = replace(room.rule, prefixes=("+8610",))
    assert await room.dialler().step() == 0
    wish = (await room.to()).callback
    assert (wish.next_try_at, wish.state) == (None, CallbackState.WAITING)


# What becomes of an attempt ----------------------------------------------------------------------


async def test_engaged_and_not_answered_then_reached(room: Room) -> None:
    await room.wish()
    for status in ("BUSY", "NOANSWER"):
        assert await room.dialler().step() == 1
        await room.dialled(room.lines.placed[-1], status)
        assert await room.dialler().step() == 0, "not before the pause is over"
        room.clock.forward(timedelta(minutes=10))
    assert await room.dialler().step() == 1
    await room.dialled(room.lines.placed[-1], None)
    assert [outcome for _, outcome in await room.tries()] == ["busy", "no_answer", "reached"]
    wish = (await room.to()).callback
    assert (wish.state, wish.outcome) == (CallbackState.DONE, Outcome.REACHED)
    # Every one of them belongs to the case of the wish, which says what was tried.
    assert wish.call_id is not None
    async with room.database.transaction() as connection:
        case = await case_of_call(connection, wish.call_id)
        assert case is not None
        linked = await connection.scalars(
            select(case_calls.c.call_id).where(
                case_calls.c.case_number == case.number, case_calls.c.relation == "callback"
            )
        )
        assert set(linked) == {call.call_id for call in room.lines.placed}


async def test_after_so_many_attempts_the_citizen_was_not_reached(room: Room) -> None:
    await room.wish()
    for _ in range(3):
        assert await room.dialler().step() == 1
        await room.dialled(room.lines.placed[-1], "NOANSWER")
        room.clock.forward(timedelta(minutes=10))
    wish = (await room.to()).callback
    assert (wish.outcome, wish.done_by) == (Outcome.NOT_REACHED, "system:callback")
    assert await room.dialler().step() == 0


async def test_an_agent_who_hangs_up_first_spends_no_attempt(room: Room) -> None:
    await room.wish()
    for _ in range(9):
        assert await room.dialler().step() == 1
        call = room.lines.placed[-1]
        await room.begun(call)
        await room.tell(
            fa.CitizenDialled(call_id=call.call_id, at=room.clock(), callback=str(call.callback_id))
        )
        await room.over(call, by="agent")
        room.clock.forward(timedelta(minutes=10))
    assert {outcome for _, outcome in await room.tries()} == {"agent_left"}
    # But nobody's phone rings for ever.
    assert await room.dialler().step() == 0
    wish = (await room.to()).callback
    assert (wish.state, wish.next_try_at) == (CallbackState.WAITING, None)


async def test_asterisk_that_was_restarted_has_the_place_taken_again(room: Room) -> None:
    await room.wish()
    place = (await room.to()).callback.place_at
    for _ in range(4):
        assert await room.dialler().step() == 1
        await room.begun(room.lines.placed[-1])
        room.clock.forward(timedelta(minutes=1))
        await room.over(room.lines.placed[-1], reconciled=True)
        room.clock.forward(timedelta(seconds=15))
    assert await room.dialler().step() == 1
    assert {call.joined_at for call in room.lines.placed} == {place}


async def test_a_citizen_whose_phone_rang_when_asterisk_died_was_tried(room: Room) -> None:
    await room.wish()
    for _ in range(3):
        assert await room.dialler().step() == 1
        call = room.lines.placed[-1]
        await room.begun(call)
        await room.tell(
            fa.CitizenDialled(call_id=call.call_id, at=room.clock(), callback=str(call.callback_id))
        )
        await room.over(call, reconciled=True)
        room.clock.forward(timedelta(minutes=10))
    assert (await room.to()).callback.outcome is Outcome.NOT_REACHED


async def test_an_attempt_nobody_knows_the_outcome_of_is_not_made_again(room: Room) -> None:
    await room.wish()
    room.lines.fails = OutcomeUnknown("cut")
    await room.dialler().step()
    room.lines.fails = None
    for _ in range(3):
        assert await room.dialler().step() == 0
    # Asterisk has the channel; or the journal is not read: a minute later it is not given up.
    room.clock.forward(timedelta(minutes=2))
    room.lines.channels = {room.lines.placed[0].call_id}
    await room.dialler().step()
    room.lines.channels = set()
    await room.dialler(read=False).step()
    assert await room.tries() == [("placed", None)]
    # Neither has it: it was not made, and the place is taken again.
    await room.dialler().step()
    assert await room.tries() == [("ended", "lost")]
    room.clock.forward(timedelta(seconds=15))
    assert await room.dialler().step() == 1
    assert len({call.call_id for call in room.lines.placed}) == 2


async def test_what_asterisk_refuses_was_not_made(room: Room) -> None:
    await room.wish()
    room.lines.fails = NotPlaced("no such context")
    await room.dialler().step()
    assert await room.tries() == [("ended", "refused")]


async def test_who_is_answered_meanwhile_leaves_the_queue(room: Room) -> None:
    await room.wish()
    await room.dialler().step()
    (call,) = room.lines.placed
    await room.begun(call)
    again = await room.answered()
    found = await room.to()
    assert found.callback.outcome is Outcome.CALLED_AGAIN
    assert again in found.joined
    await room.dialler().step()
    assert room.lines.withdrawn == [call.call_id]
    await room.over(call)
    assert await room.tries() == [("ended", "withdrawn")]
    assert await room.dialler().step() == 0


# Missed calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "outcome"),
    [("abandoned", ""), ("overflowed", "timeout"), ("failed", "failed")],
)
async def test_a_caller_nobody_answered_is_a_duty_with_a_clock(
    room: Room, disposition: str, outcome: str
) -> None:
    call_id = await room.waited(disposition, 20, outcome=outcome)
    missed = (await room.to()).callback
    assert (missed.kind, missed.call_id, missed.queue) == (Kind.MISSED, call_id, "general")
    assert missed.due_at == room.clock() + timedelta(minutes=30)
    assert missed.next_try_at is None, "people call back, unless the setting says we do"
    assert await room.dialler().step() == 0


@pytest.mark.parametrize(
    ("disposition", "seconds", "number"),
    [
        ("abandoned", 4.9, NUMBER),
        ("abandoned", 60, None),
        ("abandoned", 60, "110"),
        ("voicemail", 60, NUMBER),
        ("callback_requested", 60, NUMBER),
        ("answered", 60, NUMBER),
    ],
)
async def test_others_are_not_missed(
    room: Room, disposition: str, seconds: float, number: str | None
) -> None:
    await room.waited(disposition, seconds, number)
    assert await room.all() == []


async def test_a_queue_that_is_gone_takes_no_duty_with_it(room: Room) -> None:
    await room.waited("abandoned", 60, queue="gone")
    assert (await room.to()).callback.queue == "general"


async def test_a_wish_whose_queue_was_removed_waits_in_the_line_s_or_the_default_one(
    room: Room,
) -> None:
    await room.wish()
    await room.wish(OTHER)
    async with room.database.transaction() as connection:
        await connection.execute(update(callbacks).values(queue="gone"))
        await connection.execute(
            update(callbacks).where(callbacks.c.number == OTHER).values(line="12399")
        )
        await room.line(connection, "12399", queue="legal")
    assert await room.dialler().step() == 1
    assert [call.queue for call in room.lines.placed] == ["general"], "legal is not in Asterisk yet"
    (moved, other) = [(await room.to(number)).callback for number in (NUMBER, OTHER)]
    assert (moved.queue, moved.moved_from) == ("general", "gone")
    assert (other.queue, other.moved_from) == ("legal", "gone")


async def test_a_queue_says_itself_whether_its_missed_calls_are_dialled(room: Room) -> None:
    async with room.database.transaction() as connection:
        await connection.execute(
            update(queues).where(queues.c.name == "general").values(missed_calls="dial")
        )
        await connection.execute(
            update(queues).where(queues.c.name == "legal").values(missed_calls="task")
        )
    await room.waited("abandoned", 20)
    assert (await room.to()).callback.next_try_at is not None
    room.policy = replace(POLICY, dials_missed=True)
    await room.waited("abandoned", 20, OTHER, queue="legal")
    assert (await room.to(OTHER)).callback.next_try_at is None


async def test_a_machine_that_answered_is_an_attempt_in_vain_and_on_record(room: Room) -> None:
    key = await room.wish()
    service = CallbackService(
        room.database,
        room.clock,
        POLICY,
        room.rule,
        CallbackCases(CaseService(room.database, room.clock)),
    )
    for _ in range(2):
        assert await room.dialler().step() == 1
        await room.dialled(room.lines.placed[-1], None)
        found = await service.not_reached(key, "a mailbox", by="agent-wang")
        assert (found.callback.state, found.callback.outcome) == (CallbackState.WAITING, None)
        assert await room.dialler().step() == 0, "not before the pause is over"
        room.clock.forward(timedelta(minutes=10))
    assert await room.dialler().step() == 1
    await room.dialled(room.lines.placed[-1], None)
    over = (await service.not_reached(key, "", by="agent-wang")).callback
    assert (over.outcome, over.done_by) == (Outcome.NOT_REACHED, "agent-wang")
    assert {outcome for _, outcome in await room.tries()} == {"machine"}
    async with room.database.transaction() as connection:
        told = await connection.scalars(
            select(audit_records.c.detail).where(audit_records.c.subject == f"callback/{key}")
        )
        assert list(told) == [{"attempt": 1}, {"attempt": 2}, {"attempt": 3}]
    with pytest.raises(NobodyReached):
        await service.not_reached(key, "", by="agent-wang")


async def test_who_waits_for_another_callback_meanwhile_is_one_callback(room: Room) -> None:
    key = await room.wish()
    assert await room.dialler().step() == 1
    await room.dialled(room.lines.placed[-1], None)
    room.clock.forward(timedelta(minutes=1))
    await room.wish_of_another_call()
    service = CallbackService(room.database, room.clock, POLICY, room.rule)
    with pytest.raises(OpenElsewhere):
        await service.not_reached(key, "", by="agent-wang")


async def test_the_line_s_survey_is_asked_after_a_callback_too(room: Room) -> None:
    await room.wish()
    async with room.database.transaction() as connection:
        await room.line(connection, "12345")
        await connection.execute(
            insert(line_surveys).values(
                line="12345", enabled=True, changed_by="x", changed_at=room.clock()
            )
        )
    assert await room.dialler().step() == 1
    assert room.lines.placed[0].survey is True


async def test_who_called_again_and_was_answered_was_not_missed(room: Room) -> None:
    began = room.clock()
    room.clock.forward(timedelta(seconds=10))
    await room.answered()
    room.clock.now = began
    await room.waited("abandoned", 60)
    assert await room.all() == []


async def test_one_citizen_is_one_task_however_often_they_call(room: Room) -> None:
    first = await room.waited("abandoned", 20)
    room.clock.forward(timedelta(minutes=1))
    second = await room.waited("overflowed", 20)
    found = await room.to()
    assert (found.callback.call_id, list(found.joined)) == (first, [second])
    await room.answered()
    assert (await room.to()).callback.outcome is Outcome.CALLED_AGAIN
    # The next one is another task.
    room.clock.forward(timedelta(minutes=1))
    await room.waited("abandoned", 20)
    assert len(await room.all()) == 2


async def test_the_same_journal_read_twice_makes_one_task(room: Room) -> None:
    call_id = await room.waited("abandoned", 20)
    await room.tell(
        fa.CallEnded(call_id=call_id, at=room.clock(), disposition="abandoned", hangup_by="caller")
    )
    found = await room.to()
    assert (found.callback.call_id, list(found.joined)) == (call_id, [])


async def test_a_missed_citizen_who_asks_to_be_called_back_has_asked(room: Room) -> None:
    await room.waited("abandoned", 20)
    await room.wish()
    wish = (await room.to()).callback
    assert wish.kind is Kind.WISH
    assert wish.next_try_at is not None
    assert await room.dialler().step() == 1


async def test_missed_calls_are_dialled_where_the_setting_says_so(room: Room) -> None:
    room.policy = replace(POLICY, dials_missed=True)
    await room.waited("abandoned", 20)
    assert await room.dialler().step() == 1
    assert room.lines.placed[0].joined_at == room.clock() - timedelta(seconds=20)


async def test_a_missed_call_cannot_be_withdrawn(room: Room) -> None:
    await room.waited("abandoned", 20)
    service = CallbackService(room.database, room.clock, POLICY, room.rule)
    key = (await room.to()).callback.callback_id
    with pytest.raises(MissedCallStays):
        await service.finish(key, Outcome.WITHDRAWN, "", by="agent-wang")
