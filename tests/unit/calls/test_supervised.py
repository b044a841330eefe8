"""What supervisors and the survey do to a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.calls import events as ev
from callcenter.calls.book import CallBook
from callcenter.calls.events import CallEvent, from_stored, to_detail
from callcenter.calls.facts import Fact, SpyingBegan
from callcenter.calls.fold import apply, begin
from callcenter.calls.journal import Reject, parse_line
from callcenter.calls.model import Call, CallState, Disposition
from callcenter.calls.tail import Position

pytestmark = pytest.mark.unit

BEGAN = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
SPYING = UUID("00000000-0000-4000-8000-000000000007")
CITIZEN = ("n1-1.1", "PJSIP/trunk-00000001")
AGENT = ("n1-1.2", "PJSIP/1001-00000002")


class Story:
    """Records of one call, a second apart."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self.facts: list[Fact] = []
        self._seconds = 0

    def tell(self, kind: type[CallEvent], who: tuple[str, str] = CITIZEN, **more: object) -> None:
        self._seconds += 1
        event = kind(
            key=self._seconds.to_bytes(16, "big"),
            at=BEGAN + timedelta(seconds=self._seconds),
            uniqueid=who[0],
            linkedid=CITIZEN[0],
            channel=who[1],
            **more,  # type: ignore[arg-type]
        )
        assert (
            from_stored(
                event.kind,
                key=event.key,
                at=event.at,
                uniqueid=event.uniqueid,
                linkedid=event.linkedid,
                detail=to_detail(event),
            )
            == event
        )
        self.call, facts = apply(self.call or begin(CALL, "n1", event), event)
        self.facts += facts

    def talk(self) -> None:
        self.tell(ev.ChannelStarted)
        self.tell(ev.CallBegan, call_id=CALL, dialled="12345")
        self.tell(ev.ChannelAnswered)
        self.tell(ev.QueueEntered, queue="general")
        self.tell(ev.ChannelStarted, AGENT)
        self.tell(ev.ChannelAnswered, AGENT)
        self.tell(ev.BridgeEntered, bridge="b")
        self.tell(ev.BridgeEntered, AGENT, bridge="b")

    @property
    def ended(self) -> Call:
        assert self.call is not None
        assert self.call.state is CallState.ENDED
        return self.call


@pytest.mark.parametrize("survey_first", [True, False])
@pytest.mark.parametrize("last_word", [CITIZEN[1], "", "dialplan/builtin"])
def test_whoever_ended_the_conversation_ended_the_call_also_when_the_caller_was_asked_afterwards(
    survey_first: bool, last_word: str
) -> None:
    story = Story()
    story.talk()
    # Queue() comes back before or after the agent's channel is told to be gone.
    if survey_first:
        story.tell(ev.SurveyBegan)
    story.tell(ev.ChannelHungUp, AGENT, cause=16, source=AGENT[1])
    if not survey_first:
        story.tell(ev.SurveyBegan)
    assert story.call is not None
    assert story.call.state is CallState.IN_MENU
    story.tell(ev.ChannelHungUp, cause=16, source=last_word)
    assert (story.ended.hangup_by, story.ended.disposition) == ("agent", Disposition.ANSWERED)


def test_an_agent_s_phone_that_died_did_not_hang_up() -> None:
    story = Story()
    story.talk()
    story.tell(ev.ChannelHungUp, AGENT, cause=41, source="")
    story.tell(ev.SurveyBegan)
    story.tell(ev.ChannelHungUp, cause=16, source=CITIZEN[1])
    assert story.ended.hangup_by == "system"


def test_who_asked_for_a_person_after_the_survey_and_hangs_up_ended_the_call() -> None:
    story = Story()
    story.talk()
    story.tell(ev.ChannelHungUp, AGENT, cause=16, source=AGENT[1])
    story.tell(ev.SurveyBegan)
    story.tell(ev.QueueEntered, queue="general", why="survey")
    story.tell(ev.ChannelHungUp, cause=16, source=CITIZEN[1])
    assert story.ended.hangup_by == "caller"


def test_a_priority_that_a_supervisor_gives_is_the_call_s_and_the_visit_s() -> None:
    story = Story()
    story.tell(ev.CallBegan, call_id=CALL, dialled="12345")
    story.tell(ev.QueueEntered, queue="general", priority=3)
    story.tell(ev.PriorityChanged, priority=9)
    assert story.call is not None
    assert (story.call.priority, story.call.visits[0].priority) == (9, 9)
    story.tell(ev.PriorityChanged, priority=0)
    assert (story.call.priority, story.call.visits[0].priority) == (None, None)
    assert len(story.call.legs) == 1


def test_a_priority_that_comes_after_the_wait_changes_nothing() -> None:
    story = Story()
    story.talk()
    before = story.call
    story.tell(ev.PriorityChanged, priority=9)
    assert before is not None
    assert story.call is not None
    assert (story.call.priority, story.call.visits) == (before.priority, before.visits)
    assert "caller_priority_changed" not in {fact.kind for fact in story.facts}


def _line(kind: str, extra: str, uniqueid: str, channel: str, second: int) -> bytes:
    return (
        f'"{kind}","179546373{second}.000000","{uniqueid}","{uniqueid}","{channel}","cc-spy","s",'
        f'"","","CELGenUserEvent","","{kind if kind.startswith("CC_") else ""}","{extra}",""'
    ).encode()


def _book(lines: list[bytes]) -> CallBook:
    book = CallBook("n1")
    for line in lines:
        event = parse_line(line, "CN")
        assert isinstance(event, CallEvent), event
        book.take(event, Position(0, 0))
    return book


def test_a_supervisor_who_listens_has_a_call_of_their_own() -> None:
    own, channel = f"spy-{SPYING}", "PJSIP/1003-00000009"
    began = f"call={SPYING}&direction=internal&dialled=1001&number=&pres=&source="
    heard = f"call={CALL}&agent=1001&mode="
    book = _book(
        [
            _line("CHAN_START", "", own, channel, 0),
            _line("ANSWER", "", own, channel, 1),
            _line("CC_CALL", began, own, channel, 2),
            _line("CC_SPY", f"{heard}listen", own, channel, 3),
            _line("CC_SPY", f"{heard}join", own, channel, 4),
            _line("HANGUP", "", own, channel, 5),
        ]
    )
    [call] = book.calls.values()
    assert (call.call_id, call.direction, call.dialled_number) == (SPYING, "internal", "1001")
    assert (call.disposition, call.visits, call.talks) == (Disposition.ANSWERED, (), ())
    told = [fact for fact in book.facts if isinstance(fact, SpyingBegan)]
    assert [(fact.phone, fact.agent, fact.mode) for fact in told] == [
        ("1003", "1001", "listen"),
        ("1003", "1001", "join"),
    ]
    assert {fact.spied_call for fact in told} == {str(CALL)}


def test_a_supervisor_s_phone_that_nobody_picks_up_has_its_record_too() -> None:
    own, channel = f"spy-{SPYING}", "PJSIP/1003-00000009"
    book = _book(
        [
            _line("CHAN_START", "", own, channel, 0),
            _line("HANGUP", "", own, channel, 5),
            _line("CHAN_END", "", own, channel, 6),
            _line("LINKEDID_END", "", own, channel, 7),
        ]
    )
    [call] = book.calls.values()
    assert (call.call_id, call.direction, call.disposition) == (
        SPYING,
        "internal",
        Disposition.FAILED,
    )


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("CC_SPY", f"call={CALL}&agent=1001&mode=shout"),
        ("CC_SPY", f"call={CALL}&agent=&mode=listen"),
        ("CC_SPY", "call=no&agent=1001&mode=listen"),
        ("CC_TAKE_OVER", "agent=1001x"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(kind: str, extra: str) -> None:
    found = parse_line(_line(kind, extra, "n1-1.1", "PJSIP/1003-00000009", 1), "CN")
    assert isinstance(found, Reject)


def test_a_call_taken_over_keeps_both_agents_legs() -> None:
    story = Story()
    story.talk()
    story.tell(ev.TakenOver, agent="1003")
    story.tell(ev.ChannelHungUp, AGENT, cause=16, source="")
    second = ("n1-1.3", "PJSIP/1003-00000003")
    story.tell(ev.ChannelStarted, second)
    story.tell(ev.ChannelAnswered, second)
    story.tell(ev.BridgeEntered, second, bridge="c")
    story.tell(ev.ChannelHungUp, cause=16, source=CITIZEN[1])
    call = story.ended
    assert (call.hangup_by, call.agent) == ("caller", "1001")
    assert [talk.agent for talk in call.talks] == ["1001", "1003"]
    assert call.disposition is Disposition.ANSWERED
