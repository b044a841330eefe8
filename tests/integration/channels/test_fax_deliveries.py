"""A fax to a number: as many tries as the policy says, none of them twice, whatever is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update

from callcenter.asterisk.ami import AmiClient, AmiSettings
from callcenter.asterisk.fax import AmiFaxLines
from callcenter.calls.facts import CallEnded, FaxFinished, FaxStarted
from callcenter.calls.service import remember_call
from callcenter.calls.tables import call_legs
from callcenter.channels.fax.dialler import FaxCall, FaxDialler
from callcenter.channels.fax.service import FaxLimit
from callcenter.channels.fax.tables import fax_deliveries, faxes
from callcenter.platform.errors import InvalidField
from callcenter.switch.placing import NotPlaced, OutcomeUnknown
from callcenter.testing.eventually import eventually
from callcenter.testing.scripted_ami import ScriptedAmi, error, event, packet, success

if TYPE_CHECKING:
    from tests.integration.channels.conftest import Room

pytestmark = pytest.mark.integration

NUMBER = "053188880001"


class Lines:
    """A switch that does as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.placed: list[FaxCall] = []
        self.fails: Exception | None = None
        self.channels: set[UUID] = set()

    def is_ready(self) -> bool:
        return True

    async def place(self, call: FaxCall) -> None:
        self.placed.append(call)
        if self.fails is not None:
            raise self.fails

    async def live(self) -> Collection[UUID]:
        return self.channels


def dialler(room: Room, lines: Any, *, read: bool = True, at_once: int = 2) -> FaxDialler:
    return FaxDialler(
        room.database,
        lines,
        room.follower,
        node="node1",
        policy=room.policy,
        rule=room.rule,
        at_once=at_once,
        clock=room.clock,
        journal_is_read=lambda: read,
    )


async def ordered(room: Room, number: str = NUMBER) -> UUID:
    await room.document()
    return await room.service.order(await room.call(), "form", "zh", number)


async def tries(room: Room, fax_id: UUID) -> list[tuple[int, str, str | None]]:
    view = await room.service.fax(fax_id)
    return [(row["attempt"], row["state"], row["error"]) for row in view.tries]


async def state(room: Room, fax_id: UUID) -> str:
    return str((await room.service.fax(fax_id)).row["state"])


async def not_answered(room: Room, call: FaxCall, cause: int = 17) -> None:
    """The journal's rows of a call that was not answered, then its end."""
    async with room.database.transaction() as connection:
        await remember_call(connection, room.seed(call.call_id))
        await connection.execute(
            insert(call_legs).values(
                node="node1",
                uniqueid=f"fax-{call.call_id}",
                call_id=call.call_id,
                channel="PJSIP/trunk-00000001",
                role="other",
                started_at=room.clock(),
                ended_at=room.clock(),
                hangup_cause=cause,
            )
        )
    await room.tell(ended(room, call))


def ended(room: Room, call: FaxCall) -> CallEnded:
    return CallEnded(
        call_id=call.call_id, at=room.clock(), disposition="failed", hangup_by="system"
    )


def finished(room: Room, call: FaxCall, *, good: bool, pages: int = 0) -> FaxFinished:
    return FaxFinished(
        call_id=call.call_id,
        at=room.clock(),
        fax=str(call.fax_id),
        way="number",
        good=good,
        pages=pages,
        mode="audio",
        error="" if good else "Disconnected after permitted retries",
    )


async def test_pages_lie_ready_before_the_order_is_known(room: Room) -> None:
    fax_id = await ordered(room)
    assert room.files.out(fax_id).stat().st_size > 0
    assert await state(room, fax_id) == "waiting"


async def test_engaged_twice_then_sent(room: Room) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    for pause in (5, 15):
        assert await dialler(room, lines).step() == 1
        await not_answered(room, lines.placed[-1])
        room.clock.forward(timedelta(minutes=pause, seconds=-1))
        assert await dialler(room, lines).step() == 0
        room.clock.forward(timedelta(seconds=1))
    assert await dialler(room, lines).step() == 1
    call = lines.placed[-1]
    assert (call.attempt, call.dialled, call.line) == (3, NUMBER, "12345")
    await room.tell(
        FaxStarted(call_id=call.call_id, at=room.clock(), fax=str(fax_id), way="number")
    )
    assert await state(room, fax_id) == "sending"
    await room.tell(finished(room, call, good=True, pages=1))
    assert await state(room, fax_id) == "sent"
    assert await tries(room, fax_id) == [
        (1, "failed", "the number was engaged"),
        (2, "failed", "the number was engaged"),
        (3, "sent", None),
    ]
    notes = await room.notes((await room.service.fax(fax_id)).row["call_id"])
    assert [note.split(":")[0] for note in notes] == [
        "传真预约 Fax ordered",
        "传真未发送 Fax not sent",
        "传真未发送 Fax not sent",
        "传真已发送 Fax sent",
    ]


async def test_after_three_tries_it_has_failed_and_the_case_says_why(room: Room) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    for _ in range(3):
        assert await dialler(room, lines).step() == 1
        await room.tell(finished(room, lines.placed[-1], good=False))
        room.clock.forward(timedelta(hours=1))
    assert await dialler(room, lines).step() == 0
    row = (await room.service.fax(fax_id)).row
    assert (row["state"], row["error"]) == ("failed", "Disconnected after permitted retries")
    assert "Disconnected" in (await room.notes(row["call_id"]))[-1]


async def test_two_diallers_place_a_try_once(room: Room) -> None:
    await ordered(room)
    lines = Lines()
    one, other = dialler(room, lines), dialler(room, lines)
    assert await one.step() + await other.step() == 1
    assert len(lines.placed) == 1


async def test_a_refused_call_is_a_failed_try(room: Room) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    lines.fails = NotPlaced("no such channel")
    await dialler(room, lines).step()
    assert (await tries(room, fax_id))[0][1] == "failed"
    assert await state(room, fax_id) == "waiting"


async def test_an_unknown_outcome_is_left_to_the_journal_and_never_dialled_again(
    room: Room,
) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    lines.fails = OutcomeUnknown("cut")
    await dialler(room, lines).step()
    call = lines.placed[0]
    room.clock.forward(timedelta(seconds=59))
    for _ in range(3):
        await dialler(room, lines).step()
    assert await tries(room, fax_id) == [(1, "dialling", None)]
    await room.tell(finished(room, call, good=True, pages=1))
    assert await state(room, fax_id) == "sent"
    assert len(lines.placed) == 1


@pytest.mark.parametrize("why", ["journal unread", "channel lives", "call known"])
async def test_a_lost_try_stays_while_anybody_may_know_of_it(room: Room, why: str) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    lines.fails = OutcomeUnknown("cut")
    await dialler(room, lines).step()
    call = lines.placed[0]
    if why == "channel lives":
        lines.channels = {call.call_id}
    if why == "call known":
        async with room.database.transaction() as connection:
            await remember_call(connection, room.seed(call.call_id))
    room.clock.forward(timedelta(minutes=30))
    await dialler(room, lines, read=why != "journal unread").step()
    assert await tries(room, fax_id) == [(1, "dialling", None)]


async def test_a_try_nobody_knows_of_was_not_made_and_the_next_one_is(room: Room) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    lines.fails = OutcomeUnknown("cut")
    await dialler(room, lines).step()
    lines.fails = None
    room.clock.forward(timedelta(seconds=61))
    await dialler(room, lines).step()
    assert [one[1] for one in await tries(room, fax_id)] == ["failed", "waiting"]
    assert len(lines.placed) == 1
    # Should the journal tell of it after all, that counts: no second fax goes out.
    await room.tell(finished(room, lines.placed[0], good=True, pages=1))
    assert await state(room, fax_id) == "sent"
    assert [one[1] for one in await tries(room, fax_id)] == ["sent", "cancelled"]
    room.clock.forward(timedelta(hours=1))
    assert await dialler(room, lines).step() == 0


async def test_a_call_that_ended_without_a_word_of_its_fax_is_a_failed_try(room: Room) -> None:
    fax_id = await ordered(room)
    lines = Lines()
    await dialler(room, lines).step()
    call = lines.placed[0]
    await room.tell(
        CallEnded(call_id=call.call_id, at=room.clock(), disposition="failed", hangup_by="system")
    )
    assert [one[1] for one in await tries(room, fax_id)] == ["failed", "waiting"]


async def test_no_more_calls_than_allowed_at_once(room: Room) -> None:
    await room.document()
    for caller in range(3):
        call_id = await room.call(f"+861380013800{caller}")
        await room.service.order(call_id, "form", "zh", f"05318888000{caller}")
    lines = Lines()
    assert await dialler(room, lines, at_once=2).step() == 2
    assert await dialler(room, lines, at_once=2).step() == 0
    await not_answered(room, lines.placed[0])
    assert await dialler(room, lines, at_once=2).step() == 1


async def test_a_fax_in_the_call_that_was_never_begun_goes_to_the_number_given(
    room: Room,
) -> None:
    await room.document()
    call_id = await room.call()
    fax_id = await room.service.order(call_id, "form", "zh", or_number=NUMBER)
    assert await state(room, fax_id) == "ready"
    over = CallEnded(call_id=call_id, at=room.clock(), disposition="abandoned", hangup_by="caller")
    await room.tell(over)
    assert [one[1] for one in await tries(room, fax_id)] == ["waiting"]
    await room.tell(over)  # told twice, done once
    assert [one[1] for one in await tries(room, fax_id)] == ["waiting"]


async def test_a_fax_in_the_call_without_a_number_ends_as_a_note_on_the_case(room: Room) -> None:
    await room.document()
    call_id = await room.call()
    fax_id = await room.service.order(call_id, "form", "zh")
    await room.tell(
        FaxStarted(call_id=call_id, at=room.clock(), fax=str(fax_id), way="call"),
        FaxFinished(
            call_id=call_id, at=room.clock(), fax=str(fax_id), way="call", good=False, pages=0,
            mode="audio", error="The call dropped prematurely",
        ),
    )  # fmt: skip
    assert await state(room, fax_id) == "failed"
    assert "dropped prematurely" in (await room.notes(call_id))[-1]


async def test_a_caller_may_order_so_many_a_day_and_no_more(room: Room) -> None:
    await room.document()
    for _ in range(3):
        await room.service.order(await room.call(), "form", "zh")
    with pytest.raises(FaxLimit):
        await room.service.order(await room.call(), "form", "zh")
    # Another caller, but the same machine at the end.
    await room.service.order(await room.call("+8613900139000"), "form", "zh", NUMBER)
    before = len(list(room.files.out(uuid4()).parent.iterdir()))
    room.clock.forward(timedelta(days=1, seconds=1))
    await room.service.order(await room.call(), "form", "zh")
    assert len(list(room.files.out(uuid4()).parent.iterdir())) == before + 1


async def test_a_withheld_caller_has_the_limit_of_the_call(room: Room) -> None:
    await room.document()
    call_id = await room.call(None)
    for name in ("form", "one", "two", "three"):
        await room.document(name)
    for name in ("form", "one", "two"):
        await room.service.order(call_id, name, "zh")
    with pytest.raises(FaxLimit):
        await room.service.order(call_id, "three", "zh")
    await room.service.order(await room.call(None), "form", "zh")


@pytest.mark.parametrize("number", [None, NUMBER])
async def test_the_same_order_again_is_the_same_order(room: Room, number: str | None) -> None:
    await room.document()
    call_id = await room.call()
    first = await room.service.order(call_id, "form", "zh", number)
    assert await room.service.order(call_id, "form", "zh", number) == first
    assert len(list(room.files.out(first).parent.iterdir())) == 1
    assert await room.service.order(await room.call(), "form", "zh", number) != first


@pytest.mark.parametrize("number", ["110", "+442071234567", "4008001234", "0531,8888"])
async def test_a_number_that_is_not_allowed_makes_no_order(room: Room, number: str) -> None:
    await room.document()
    with pytest.raises(InvalidField):
        await room.service.order(await room.call(), "form", "zh", number)
    assert list(room.files.out(uuid4()).parent.iterdir()) == []
    assert await room.service.faxes() == []


async def test_a_number_struck_off_the_list_meanwhile_is_not_dialled(room: Room) -> None:
    fax_id = await ordered(room)
    async with room.database.transaction() as connection:
        await connection.execute(update(fax_deliveries).values(number="+442071234567"))
    lines = Lines()
    assert await dialler(room, lines).step() == 0
    assert lines.placed == []
    assert (await tries(room, fax_id))[0][1] == "failed"


# Over a real socket, with the link cut in the middle of the question.


@pytest.fixture
async def ami() -> AsyncIterator[ScriptedAmi]:
    server = ScriptedAmi()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def link(room: Room, ami: ScriptedAmi) -> AsyncIterator[AmiClient]:
    settings = AmiSettings(
        "127.0.0.1",
        ami.port,
        ami.username,
        ami.secret,
        backoff_first=timedelta(milliseconds=5),
        backoff_last=timedelta(milliseconds=20),
        wanted=frozenset(),
    )
    client = AmiClient(settings, clock=room.clock, uniform=lambda low, high: high)
    await client.start()
    await client.wait_ready(timedelta(seconds=5))
    yield client
    await client.close()


def channels(*uniqueids: str) -> Any:
    def answer(action: dict[str, str]) -> bytes:
        listed = [
            event("CoreShowChannel", ("ActionID", action["ActionID"]), ("Uniqueid", uniqueid))
            for uniqueid in uniqueids
        ]
        begun = packet(
            ("Response", "Success"), ("ActionID", action["ActionID"]), ("EventList", "start")
        )
        end = event(
            "CoreShowChannelsComplete", ("ActionID", action["ActionID"]), ("EventList", "Complete")
        )
        return b"".join([begun, *listed, end])

    return answer


async def test_originate_names_the_try_and_nothing_of_the_callers(
    room: Room, ami: ScriptedAmi, link: AmiClient
) -> None:
    fax_id = await ordered(room)
    ami.answers["Originate"] = success
    await dialler(room, AmiFaxLines(link)).step()
    (asked,) = ami.named("Originate")
    view = await room.service.fax(fax_id)
    attempt = view.tries[0]["call_id"]
    assert asked["Channel"] == f"PJSIP/{NUMBER}@trunk"
    assert asked["ChannelId"] == f"fax-{attempt}"
    assert (asked["Context"], asked["Exten"], asked["Priority"]) == ("cc-fax-out", "s", "1")
    assert asked["Async"] == "true"


async def test_a_link_cut_in_the_middle_of_originate_dials_nobody_twice(
    room: Room, ami: ScriptedAmi, link: AmiClient
) -> None:
    fax_id = await ordered(room)

    def cut(_action: dict[str, str]) -> bytes:
        ami.drop()
        return b""

    ami.answers["Originate"] = cut
    ami.answers["CoreShowChannels"] = channels()
    lines = AmiFaxLines(link)
    await dialler(room, lines).step()
    assert await tries(room, fax_id) == [(1, "dialling", None)]
    await eventually(lambda: ami.logins >= 2 and lines.is_ready())
    # The node is another one now, the old one died: what is written down is all it knows.
    for _ in range(3):
        await dialler(room, lines).step()
    assert len(ami.named("Originate")) == 1
    # Asterisk has the channel: a minute later it still is not asked again.
    attempt = (await room.service.fax(fax_id)).tries[0]["call_id"]
    ami.answers["CoreShowChannels"] = channels(f"fax-{attempt}", "node1-1.2")
    room.clock.forward(timedelta(minutes=2))
    await dialler(room, lines).step()
    assert await tries(room, fax_id) == [(1, "dialling", None)]
    ami.answers["CoreShowChannels"] = channels("node1-1.2")
    await dialler(room, lines).step()
    assert [one[1] for one in await tries(room, fax_id)] == ["failed", "waiting"]
    assert len(ami.named("Originate")) == 1


async def test_while_the_link_is_away_no_try_is_spent(
    room: Room, ami: ScriptedAmi, link: AmiClient
) -> None:
    fax_id = await ordered(room)
    await ami.stop()
    lines = AmiFaxLines(link)
    await eventually(lambda: not lines.is_ready())
    await dialler(room, lines).step()
    assert await tries(room, fax_id) == [(1, "waiting", None)]


async def test_asterisks_refusal_is_told(room: Room, ami: ScriptedAmi, link: AmiClient) -> None:
    fax_id = await ordered(room)
    ami.answers["Originate"] = lambda action: error(action, "Channel unique id already exists")
    await dialler(room, AmiFaxLines(link)).step()
    assert (await tries(room, fax_id))[0] == (
        1,
        "failed",
        "the telephone system refused to place the call",
    )
    async with room.database.transaction() as connection:
        found = await connection.scalar(select(faxes.c.state).where(faxes.c.fax_id == fax_id))
    assert found == "waiting"
