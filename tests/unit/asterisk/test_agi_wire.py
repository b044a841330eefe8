"""AGI lines: what we write is read back as one command, what we read has one meaning."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.asterisk.agi.wire import MAX_COMMAND, Reply, ReplyReader, encode_command
from callcenter.asterisk.errors import ReplyGarbled, UnsafeValue
from callcenter.testing.fake_asterisk import parse_args

pytestmark = pytest.mark.unit


def read(*lines: str) -> Reply | None:
    reader = ReplyReader()
    for line in lines:
        reply = reader.take(line)
        if reply is not None:
            return reply
    return None


printable = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=80)


@given(st.lists(printable, max_size=5))
def test_arguments_are_read_back_by_asterisk_as_they_were_given(arguments: list[str]) -> None:
    line = encode_command("SET VARIABLE", *arguments)
    assert line.endswith(b"\n")
    assert parse_args(line[:-1].decode()) == ["SET", "VARIABLE", *arguments]


@given(st.text(max_size=80))
def test_an_argument_makes_one_line_or_is_refused(argument: str) -> None:
    try:
        line = encode_command("SET VARIABLE", "X", argument)
    except UnsafeValue:
        return
    assert line.count(b"\n") == 1
    assert not any(byte < 32 for byte in line[:-1])


@pytest.mark.parametrize("code", [*range(32), 127])
def test_no_control_character_is_sent_in_a_command(code: int) -> None:
    with pytest.raises(UnsafeValue):
        encode_command("SET VARIABLE", "X", f"a{chr(code)}b")
    with pytest.raises(UnsafeValue):
        encode_command(f"NOOP{chr(code)}")


def test_a_command_line_asterisk_would_cut_in_two_is_refused() -> None:
    most = MAX_COMMAND - len("SET VARIABLE X \n")
    assert len(encode_command("SET VARIABLE", "X", "y" * most)) == MAX_COMMAND
    with pytest.raises(UnsafeValue):
        encode_command("SET VARIABLE", "X", "y" * (most + 1))
    with pytest.raises(UnsafeValue):
        encode_command("SET VARIABLE", "X", "中" * (MAX_COMMAND // 2))


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("200 result=0", Reply(200, "0")),
        ("200 result=12", Reply(200, "12")),
        ("200 result=*", Reply(200, "*")),
        ("200 result=", Reply(200, "")),
        ("200 result= (timeout)", Reply(200, "", "timeout")),
        ("200 result=12 (timeout)", Reply(200, "12", "timeout")),
        ("200 result=1 (hangup)", Reply(200, "1", "hangup")),
        ("200 result=1 ()", Reply(200, "1", "")),
        ("200 result=1 (a) b)", Reply(200, "1", "a) b")),
        ("200 result=1 (x) endpos=5)", Reply(200, "1", "x) endpos=5")),
        ("200 result=49 endpos=8160", Reply(200, "49", None, {"endpos": "8160"})),
        ("200 result=0 (hangup) endpos=5", Reply(200, "0", "hangup", {"endpos": "5"})),
        (
            "200 result=1 (digit) digit=5 endpos=80",
            Reply(200, "1", "digit", {"digit": "5", "endpos": "80"}),
        ),
        ("200 result=0 Gosub complete", Reply(200, "0", text="Gosub complete")),
        ("200 result=-1 Gosub label not found", Reply(200, "-1", text="Gosub label not found")),
        ("510 Invalid or unknown command", Reply(510, text="Invalid or unknown command")),
        (
            "511 Command Not Permitted on a dead channel or intercept routine",
            Reply(511, text="Command Not Permitted on a dead channel or intercept routine"),
        ),
        (
            "520 Invalid command syntax.  Proper usage not available.",
            Reply(520, text="Invalid command syntax.  Proper usage not available."),
        ),
        ("503 result=-2 Memory failure", Reply(503, text="result=-2 Memory failure")),
    ],
)  # fmt: skip
def test_each_reply_of_res_agi_has_one_meaning(line: str, reply: Reply) -> None:
    assert read(line) == reply


def test_a_usage_reply_ends_at_its_end_line_only() -> None:
    lines = (
        "520-Invalid command syntax.  Proper usage follows:",
        "Usage: GET DATA <file>",
        "",
        "x",
    )
    assert read(*lines) is None
    reply = read(*lines, "520 End of proper usage.")
    assert reply is not None
    assert reply.code == 520
    glued = read("520-Invalid command syntax.", "Returns 0 if ok.520 End of proper usage.")
    assert glued is not None
    assert glued.code == 520


def test_trying_is_followed_by_the_reply_proper() -> None:
    reply = read("100 result=0 Trying...", "200 result=0 Gosub complete")
    assert reply == Reply(200, "0", text="Gosub complete")


def test_a_value_with_line_ends_is_read_to_its_end() -> None:
    assert read("200 result=1 (one", "HANGUP", "three)") == Reply(200, "1", "one\nHANGUP\nthree")


@pytest.mark.parametrize(
    "line", ["", "hello", "200", "200 ok", "20 result=1", "200result=1", "600 x"]
)
def test_a_line_of_no_known_form_is_garbled(line: str) -> None:
    with pytest.raises(ReplyGarbled):
        read(line)


def test_a_reply_without_an_end_is_bounded() -> None:
    with pytest.raises(ReplyGarbled):
        read("200 result=1 (" + "x" * 70_000)
    with pytest.raises(ReplyGarbled):
        read("200 result=1 (", *(["x"] * 2000))


@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_lines_give_a_reply_or_are_garbled_and_nothing_else(lines: list[str]) -> None:
    with contextlib.suppress(ReplyGarbled):
        read(*lines)


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=200))
def test_whatever_a_variable_holds_it_is_its_value(value: str) -> None:
    assert read(f"200 result=1 ({value})") == Reply(200, "1", value)


def test_only_minus_one_without_words_and_511_mean_that_the_channel_is_gone() -> None:
    gone = [Reply(200, "-1"), Reply(200, "-1", attributes={"endpos": "8"}), Reply(511)]
    alive = [Reply(200, "1", "hangup"), Reply(200, "-1", text="Gosub label not found"), Reply(510)]
    assert all(reply.channel_gone for reply in gone)
    assert not any(reply.channel_gone for reply in alive)


def test_keys_are_read_from_their_code() -> None:
    keys = {
        code: Reply(200, code).key for code in ("48", "57", "42", "35", "0", "65", "", "-1", "43")
    }
    assert [keys[code] for code in ("48", "57", "42", "35")] == ["0", "9", "*", "#"]
    assert [keys[code] for code in ("0", "65", "", "-1", "43")] == [None] * 5
