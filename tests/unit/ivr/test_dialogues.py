"""Nodes that ask a caller more than one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from callcenter.ivr.conversation import Around
from callcenter.ivr.desk import FaxWish, NotToThere
from callcenter.ivr.dialogues.digits import is_identity_number
from callcenter.ivr.exits import CallBack, EnterQueue, FlowExit, HangUp, LeaveMessage, SendFax
from callcenter.ivr.library import Library, OpenState, SpokenArticle
from callcenter.ivr.model import Flow
from callcenter.ivr.runner import PERSON, Plan, run_flow
from callcenter.platform.errors import Unavailable
from callcenter.testing.sample_flow import VOICE, flow, words
from callcenter.testing.scripted_caller import Early, ScriptedCaller

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ORDER = UUID(int=7)
CASE = "2600000011"
ANSWERS = [
    SpokenArticle(
        f"a{n}", n, {"zh": f"题{n}", "en": f"title {n}"}, {"zh": f"文{n}", "en": f"t {n}"}
    )
    for n in range(1, 7)
]
EXPIRED = SpokenArticle("old", 1, {"zh": "旧"}, {"zh": "旧文"}, valid_until=NOW)
LIBRARY = Library(
    articles={one.name: one for one in [*ANSWERS, EXPIRED]},
    categories={"fees": [*ANSWERS, EXPIRED], "empty": [EXPIRED]},
    hours={"open": lambda _at: OpenState(True), "shut": lambda _at: OpenState(False, True)},
)


@dataclass
class FakeDesk:
    """Knows one case, sends to numbers that begin with 0, and remembers what it was asked."""

    is_away: bool = False
    faxes: list[FaxWish] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        return ["case_state_open"] if (case_number, last_four) == (CASE, "8000") else None

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        if self.is_away:
            raise Unavailable
        if wish.number is not None and not wish.number.startswith("0"):
            raise NotToThere
        self.faxes.append(wish)
        return ORDER

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        if self.is_away:
            raise Unavailable
        self.callbacks.append(number)


async def run(
    caller: ScriptedCaller, node: dict[str, Any], desk: FakeDesk | None = None, **more: Any
) -> FlowExit:
    definition = flow(welcome={"type": "say", "say": words("w"), "next": "n"}, n=node, **more)
    return await walk(caller, definition, desk)


async def walk(
    caller: ScriptedCaller,
    definition: Flow,
    desk: FakeDesk | None = None,
    library: Library = LIBRARY,
) -> FlowExit:
    plan = Plan("main", 3, definition, "general", "zh", library)
    done = await run_flow(plan, caller, VOICE, Around(desk or FakeDesk(), lambda: NOW))
    assert max(caller.trips_per_step) <= 2, caller.path
    return done


def heard(caller: ScriptedCaller) -> list[str]:
    return [str(path) for path in caller.heard][1:]


def path(caller: ScriptedCaller) -> list[tuple[str, str]]:
    return [(step.node, step.key) for step in caller.path][1:]


# collect ---------------------------------------------------------------------------------------

COLLECT: dict[str, Any] = {
    "type": "collect",
    "say": words("digits"),
    "into": "area",
    "min_digits": 2,
    "max_digits": 4,
    "retries": 1,
    "next": "by_area",
}
BY_AREA = {"type": "branch", "on": "area", "cases": {"22": "legal"}, "otherwise": "bye"}


async def test_digits_are_remembered_and_decide_the_way() -> None:
    caller = ScriptedCaller(["22"])
    assert await run(caller, COLLECT, by_area=BY_AREA) == EnterQueue("legal")
    assert path(caller) == [("n", ""), ("by_area", "#"), ("legal", "")]
    assert await run(ScriptedCaller(["33#"]), COLLECT, by_area=BY_AREA) == HangUp()


async def test_keyed_digits_never_reach_the_journal() -> None:
    caller = ScriptedCaller(["2222"])
    await run(caller, COLLECT | {"read_back": True}, by_area=BY_AREA)
    assert not any("2222" in f"{step.node}{step.key}{step.about}" for step in caller.path)


async def test_digits_that_do_not_fit_are_asked_for_again_and_then_a_person_helps() -> None:
    caller = ScriptedCaller(["1", "12*"])
    assert await run(caller, COLLECT, by_area=BY_AREA) == EnterQueue("general")
    assert heard(caller) == ["zh:中digits", "zh_invalid", "zh:中digits"]
    assert path(caller)[-1] == (PERSON, "i#")


async def test_silence_and_a_lone_zero_reach_a_person() -> None:
    assert await run(ScriptedCaller(), COLLECT, by_area=BY_AREA) == EnterQueue("general")
    caller = ScriptedCaller(["0"])
    assert await run(caller, COLLECT, by_area=BY_AREA) == EnterQueue("general")
    assert path(caller)[-1] == (PERSON, "0")


async def test_what_is_read_back_counts_only_once_confirmed() -> None:
    node = COLLECT | {"read_back": True}
    caller = ScriptedCaller(["33", "2", "22", "1"])
    assert await run(caller, node, by_area=BY_AREA) == EnterQueue("legal")
    assert heard(caller)[1:4] == ["zh_you_entered", "zh#digits:33", "zh_confirm_keys"]


async def test_the_first_digit_may_be_pressed_ahead() -> None:
    definition = flow(
        welcome={"type": "say", "say": words("w"), "next": "n"}, n=COLLECT, by_area=BY_AREA
    )
    assert await walk(ScriptedCaller([Early("2"), "2"]), definition) == EnterQueue("legal")


@pytest.mark.parametrize(
    ("kind", "keyed", "fits"),
    [
        ("phone", "13800138000", True),
        ("phone", "1380", False),
        ("case_number", CASE, True),
        ("case_number", "2600000012", False),
        ("date", "20261124", True),
        ("date", "20261131", False),
        ("id_number", "11010519491231002*", True),
        ("id_number", "110105194912310021", False),
    ],
)
async def test_what_is_asked_for_must_be_what_it_says(kind: str, keyed: str, fits: bool) -> None:
    node = COLLECT | {"kind": kind, "min_digits": 4, "max_digits": 20, "retries": 0, "next": "bye"}
    done = await run(ScriptedCaller([keyed]), node)
    assert done == (HangUp() if fits else EnterQueue("general"))


def test_an_identity_number_has_the_check_digit_of_gb_11643() -> None:
    assert is_identity_number("11010519491231002X")  # the standard's own example
    assert not is_identity_number("11010519491231003X")
    assert not is_identity_number("1101051949123100")


# hours, sub-flows, pace, survey ------------------------------------------------------------------


async def test_hours_decide_and_a_holiday_has_a_way_of_its_own() -> None:
    node: dict[str, Any] = {"type": "schedule", "open": "legal", "closed": "bye"}
    assert await run(ScriptedCaller(), node | {"schedule": "open"}) == EnterQueue("legal")
    assert await run(ScriptedCaller(), node | {"schedule": "shut"}) == HangUp()
    message = {"type": "voicemail", "say": words("closed"), "reason": "closed"}
    on_holiday = node | {"schedule": "shut", "holiday": "message"}
    done = await run(ScriptedCaller(), on_holiday, message=message)
    assert done == LeaveMessage("closed", "zh:中closed")


async def test_a_schedule_nobody_knows_leads_to_a_person() -> None:
    node = {"type": "schedule", "schedule": "gone", "open": "bye", "closed": "bye"}
    assert await run(ScriptedCaller(), node) == EnterQueue("general", why="fault")


async def test_another_flow_runs_and_comes_back() -> None:
    other = flow(
        welcome={"type": "say", "say": words("sub"), "next": "ask"},
        ask={"type": "menu", "say": words("ask"), "options": {"1": ".return", "2": ".person"}},
    )
    library = Library(flows={"other": (9, other)})
    node = {"type": "flow", "flow": "other", "next": "bye"}
    definition = flow(welcome=node)
    caller = ScriptedCaller(["1"])
    assert await walk(caller, definition, library=library) == HangUp()
    assert [step.node for step in caller.path] == ["welcome", "welcome", "ask", "bye"]
    assert await walk(ScriptedCaller(["2"]), definition, library=library) == EnterQueue("general")


async def test_a_flow_that_runs_itself_ends_at_a_person() -> None:
    definition = flow(welcome={"type": "flow", "flow": "main", "next": "bye"})
    library = Library(flows={"main": (3, definition)})
    assert await walk(ScriptedCaller(), definition, library=library) == EnterQueue("general")


async def test_a_lost_process_goes_on_inside_the_other_flow_and_returning_is_a_person() -> None:
    other = flow(ask={"type": "menu", "say": words("ask"), "options": {"1": ".return"}})
    library = Library(flows={"other": (9, other)})
    caller = ScriptedCaller(["1"], resume_node="ask", resume_flow="other", language="en")
    assert await walk(caller, flow(), library=library) == EnterQueue("general")
    assert [(step.node, step.key) for step in caller.path] == [("ask", "r"), (PERSON, "1")]


async def test_return_in_the_line_s_own_flow_is_a_person() -> None:
    node = {"type": "say", "say": words("x"), "next": ".return"}
    assert await run(ScriptedCaller(), node) == EnterQueue("general")


async def test_slow_pace_slows_everything_that_follows() -> None:
    caller = ScriptedCaller(["9"])
    await run(caller, {"type": "set", "pace": "slow", "next": "menu"})
    assert heard(caller) == ["slow zh:中menu", "slow zh:中bye"]
    node = {"type": "branch", "on": "pace", "cases": {"normal": "legal"}, "otherwise": "bye"}
    assert await run(ScriptedCaller(), node) == EnterQueue("legal")


async def test_values_are_spoken_and_decide() -> None:
    node = {"type": "set", "values": {"fee": "20"}, "next": "tell"}
    tell = {"type": "say", "say": [words("fee"), {"value": "fee", "as": "money"}], "next": "bye"}
    caller = ScriptedCaller()
    await run(caller, node, tell=tell)
    assert heard(caller) == ["zh:中fee", "zh#money:20", "zh:中bye"]


async def test_a_survey_keeps_the_answer_and_goes_on_in_silence() -> None:
    node = {
        "type": "survey",
        "question": "solved",
        "say": words("solved?"),
        "answers": {"1": "yes", "2": "no"},
        "next": "bye",
    }
    caller = ScriptedCaller(["2"])
    assert await run(caller, node) == HangUp()
    assert [(s.node, s.key, s.about) for s in caller.path][2] == ("n", "2", "survey/solved")
    assert await run(ScriptedCaller(), node) == HangUp()
    assert await run(ScriptedCaller(["0"]), node) == EnterQueue("general")


# articles ----------------------------------------------------------------------------------------

ARTICLE = {"type": "article", "article": "a1", "fax": "fax", "next": "menu"}
FAX = {"type": "fax", "next": "bye"}


async def test_an_article_is_told_again_by_1_and_left_by_2() -> None:
    caller = ScriptedCaller(["1", "2", "9"])
    assert await run(caller, ARTICLE, fax=FAX) == HangUp()
    told = ["zh:文1", "zh_article_keys_fax"]
    assert heard(caller) == [*told, *told, "zh:中menu", "zh:中bye"]
    assert caller.path[1].about == "article/a1/1"


async def test_after_an_article_silence_goes_on_and_a_menu_key_counts_for_the_menu() -> None:
    caller = ScriptedCaller([None, "9"])
    assert await run(caller, ARTICLE, fax=FAX) == HangUp()
    caller = ScriptedCaller(["9"])
    assert await run(caller, ARTICLE, fax=FAX) == HangUp()
    assert path(caller) == [("n", ""), ("menu", ""), ("bye", "9")]


async def test_zero_during_an_article_of_the_knowledge_base_is_a_person() -> None:
    assert await run(ScriptedCaller(["0"]), ARTICLE, fax=FAX) == EnterQueue("general")


async def test_the_article_that_was_heard_comes_by_fax() -> None:
    desk = FakeDesk()
    assert await run(ScriptedCaller(["3", "1"]), ARTICLE, desk, fax=FAX) == SendFax(ORDER)
    assert desk.faxes == [FaxWish("zh", article="a1", article_version=1)]


@pytest.mark.parametrize("name", ["old", "gone"])
async def test_an_expired_article_is_never_heard(name: str) -> None:
    caller = ScriptedCaller()
    done = await run(caller, {"type": "article", "article": name, "next": "menu"})
    assert done == EnterQueue("general")
    assert heard(caller) == ["zh_article_unavailable"]


ARTICLES = {"type": "article_menu", "category": "fees", "say": words("fees"), "next": "bye"}


async def test_a_category_is_offered_page_by_page() -> None:
    caller = ScriptedCaller(["9", "2", None, "*"])
    assert await run(caller, ARTICLES) == HangUp()
    assert heard(caller)[:4] == ["zh:中fees", "zh:题1", "zh_press_1", "zh:题2"]
    assert "zh:文6" in heard(caller)
    assert not any("旧" in one for one in heard(caller))
    assert [step.about for step in caller.path if step.about] == ["article/a6/6"]


async def test_a_category_without_a_valid_article_says_so() -> None:
    caller = ScriptedCaller()
    assert await run(caller, ARTICLES | {"category": "empty"}) == HangUp()
    assert heard(caller)[0] == "zh_no_articles"


async def test_in_an_article_menu_silence_and_zero_reach_a_person() -> None:
    assert await run(ScriptedCaller(), ARTICLES) == EnterQueue("general")
    assert await run(ScriptedCaller(["0"]), ARTICLES) == EnterQueue("general")
    assert await run(ScriptedCaller(["1", "0"]), ARTICLES) == EnterQueue("general")
    assert await run(ScriptedCaller(["8"] * 9), ARTICLES) == EnterQueue("general")


# the case by phone -------------------------------------------------------------------------------

STATUS = {"type": "case_status", "next": "bye"}


async def test_who_knows_number_and_digits_hears_how_the_case_stands() -> None:
    caller = ScriptedCaller([CASE, "8000"])
    assert await run(caller, STATUS) == HangUp()
    asked = ["zh_ask_case_number", "zh_ask_last_four"]
    assert heard(caller) == [*asked, "zh_case_state_open", "zh:中bye"]


@pytest.mark.parametrize(
    "keyed", [(CASE, "1111"), ("2600000029", "8000"), ("123", "8000"), (CASE, None)]
)
async def test_whatever_does_not_match_sounds_the_same(keyed: tuple[str, str | None]) -> None:
    caller = ScriptedCaller([*keyed] * 3)
    assert await run(caller, STATUS) == EnterQueue("general")
    asked = ["zh_ask_case_number", "zh_ask_last_four"]
    again = ["zh_case_not_found", *asked]
    assert heard(caller) == [*asked, *again, *again, "zh_case_not_found"]


async def test_whoever_keys_nothing_about_a_case_reaches_a_person() -> None:
    assert await run(ScriptedCaller(), STATUS) == EnterQueue("general")
    assert await run(ScriptedCaller(["0"]), STATUS) == EnterQueue("general")


# callback and fax --------------------------------------------------------------------------------

CALLBACK = {"type": "callback", "queue": "legal"}


async def test_a_callback_to_the_caller_s_own_number_costs_one_key() -> None:
    desk = FakeDesk()
    caller = ScriptedCaller(["1"], caller="+8613800138000")
    assert await run(caller, CALLBACK, desk) == CallBack("legal")
    assert desk.callbacks == ["+8613800138000"]


@pytest.mark.parametrize(("number", "keys"), [("+86138", ["2", "0411", "2"]), (None, [])])
async def test_another_number_is_keyed_and_confirmed(number: str | None, keys: list[str]) -> None:
    desk = FakeDesk()
    caller = ScriptedCaller([*keys[:1], "0411123", "2", "0411124#", "1"], caller=number)
    assert await run(caller, CALLBACK, desk) == CallBack("legal")
    assert desk.callbacks == ["0411124"]


async def test_a_wish_that_cannot_be_written_down_leads_to_a_person() -> None:
    caller = ScriptedCaller(["1"], caller="+8613800138000")
    assert await run(caller, CALLBACK, FakeDesk(is_away=True)) == EnterQueue("general")


async def test_silence_at_the_offer_of_a_callback_is_a_person() -> None:
    assert await run(ScriptedCaller(caller="+86138"), CALLBACK) == EnterQueue("general")
    assert await run(ScriptedCaller(), CALLBACK) == EnterQueue("general")


async def test_a_document_goes_to_a_keyed_number_and_the_call_goes_on() -> None:
    desk = FakeDesk()
    node = FAX | {"document": "form"}
    assert await run(ScriptedCaller(["2", "041123", "1"]), node, desk) == HangUp()
    assert desk.faxes == [FaxWish("zh", document="form", number="041123")]


async def test_a_number_we_do_not_send_to_is_told_and_asked_for_again() -> None:
    desk = FakeDesk()
    caller = ScriptedCaller(["2", "9001234", "1", "041123", "1"])
    assert await run(caller, FAX | {"document": "form"}, desk) == HangUp()
    assert "zh_number_not_possible" in heard(caller)
    assert [wish.number for wish in desk.faxes] == ["041123"]


async def test_a_fax_that_cannot_be_made_or_of_nothing_leads_to_a_person() -> None:
    away = FakeDesk(is_away=True)
    done = await run(ScriptedCaller(["1"]), FAX | {"document": "form"}, away)
    assert done == EnterQueue("general")
    assert await run(ScriptedCaller(["1"]), FAX) == EnterQueue("general")
    assert await run(ScriptedCaller(), FAX | {"document": "form"}) == EnterQueue("general")


def test_an_article_is_valid_from_its_first_moment_until_before_its_end() -> None:
    one = SpokenArticle("x", 1, {}, {}, valid_from=NOW, valid_until=NOW + timedelta(days=1))
    assert not one.is_valid(NOW - timedelta(microseconds=1))
    assert one.is_valid(NOW)
    assert one.is_valid(NOW + timedelta(days=1, microseconds=-1))
    assert not one.is_valid(NOW + timedelta(days=1))
