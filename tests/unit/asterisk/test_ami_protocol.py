"""AMI bytes into messages: whatever the network does to the stream, the messages are the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.asterisk.ami.messages import AmiMessage, parse
from callcenter.asterisk.ami.protocol import AmiFramer, AmiProtocol, NotAsterisk

pytestmark = pytest.mark.unit

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    GREETING
    + "Event: Newchannel\r\nCallerIDName: 王小明 Čeština 😀\r\nUniqueid: 1.1\r\n\r\n".encode()
    + b"Event: TestEvent\r\nType: StateChange\r\n\r\n\r\n"  # Debian: one CRLF too many
    + b"Event: Hangup\r\nCause: 16\r\nEmpty: \r\n\r\n"
    + b"Response: Success\r\nActionID: cc-1-1\r\nOutput: a\r\nOutput: b\r\n\r\n"
    + b"Event: UserEvent\r\nEvent: Hangup\r\nNote: doubled\r\n\r\n\r\n\r\n\r\n"
    + b"Event: Last\r\nName: O\\'Brien\r\n\r\n"
)


def messages(chunks: list[bytes], max_message: int = 1 << 20) -> list[AmiMessage | None]:
    framer = AmiFramer(max_message)
    return [parse(raw) for chunk in chunks for raw in framer.feed(chunk)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


WHOLE = messages([STREAM])


def test_the_whole_stream_gives_six_messages() -> None:
    assert [message.name for message in WHOLE if message] == [
        "Newchannel", "TestEvent", "Hangup", "Response", "UserEvent", "Last",
    ]  # fmt: skip


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_split_of_the_stream_gives_the_same_events(places: list[int]) -> None:
    assert messages(cut(STREAM, places)) == WHOLE


def test_a_stream_that_comes_byte_by_byte_gives_the_same_events() -> None:
    assert messages([STREAM[i : i + 1] for i in range(len(STREAM))]) == WHOLE


def test_a_chinese_name_cut_in_the_middle_of_a_character_is_whole() -> None:
    middle = STREAM.index("小".encode()) + 1
    first = messages([STREAM[:middle], STREAM[middle:]])[0]
    assert first is not None
    assert first["CallerIDName"] == "王小明 Čeština 😀"


def test_each_message_begins_with_its_name_whatever_blank_lines_stand_before_it() -> None:
    wire = STREAM.replace(b"\r\n\r\nEvent", b"\r\n\r\n\r\n\r\nEvent")
    for place in range(len(wire)):
        framer = AmiFramer()
        raws = framer.feed(wire[:place]) + framer.feed(wire[place:])
        assert [raw[:5] in {b"Event", b"Respo"} for raw in raws] == [True] * 6


def test_an_extra_blank_line_does_not_lose_the_next_event() -> None:
    names = [
        m.name for m in messages([GREETING, b"Event: A\r\n\r\n\r\n", b"Event: B\r\n\r\n"]) if m
    ]
    assert names == ["A", "B"]


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.text("ABCabc-", min_size=1, max_size=8),
                st.text(
                    st.characters(exclude_characters="\r\n\\", exclude_categories=["Cs"]),
                    max_size=30,
                ),
            ),
            max_size=6,
        ),
        max_size=6,
    ),
    st.data(),
)
def test_every_value_arrives_as_it_was_sent(
    bodies: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    sent = [(("Event", f"E{n}"), *body) for n, body in enumerate(bodies)]
    wire = GREETING + b"".join(
        b"".join(f"{key}: {value}\r\n".encode() for key, value in event) + b"\r\n" for event in sent
    )
    places = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))
    got = messages(cut(wire, places))
    assert [message.pairs for message in got if message] == sent


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=10))
def test_the_framer_takes_any_bytes_after_the_greeting(junk: bytes, places: list[int]) -> None:
    framer = AmiFramer(1000)
    for chunk in cut(GREETING + junk, [min(p, len(junk)) for p in places]):
        for raw in framer.feed(chunk):
            parse(raw)
            assert len(raw) <= 1000


@pytest.mark.parametrize("size", [99, 100, 101, 102, 103, 104])
def test_the_size_limit_does_not_depend_on_the_split(size: int) -> None:
    long = b"Event: Long\r\nX: ".ljust(size, b"x")
    wire = GREETING + b"Event: A\r\n\r\n" + long + b"\r\n\r\n\r\nEvent: B\r\n\r\n"
    expected = [b"Event: A", long, b"Event: B"] if size <= 100 else [b"Event: A", b"Event: B"]
    for place in range(len(wire)):
        framer = AmiFramer(100)
        assert framer.feed(wire[:place]) + framer.feed(wire[place:]) == expected
        assert framer.rejects == (size > 100)


def test_a_value_of_one_megabyte_is_read_within_the_limit_and_skipped_beyond_it() -> None:
    event = b"Event: Big\r\nValue: " + b"x" * 1_000_000 + b"\r\n\r\n"
    chunks = [GREETING, *cut(event + b"Event: B\r\n\r\n", list(range(0, 1_000_000, 65_536)))]
    assert [m.name for m in messages(chunks, 2_000_000) if m] == ["Big", "B"]
    framer = AmiFramer(100_000)
    assert [raw for chunk in chunks for raw in framer.feed(chunk)] == [b"Event: B"]
    assert framer.rejects == 1


def test_whoever_does_not_greet_like_asterisk_is_not_listened_to() -> None:
    for greeting in (b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 400\r\n\r\n", b"Asterisk\r\n"):
        with pytest.raises(NotAsterisk):
            AmiFramer().feed(greeting)
    with pytest.raises(NotAsterisk):
        AmiFramer().feed(b"Asterisk Call Manager/" + b"9" * 2000)


def test_escapes_in_values_are_undone_once() -> None:
    message = parse(rb"Event: VarSet" + b"\r\n" + rb"Name: O\'Brien \"x\" \\n \n \q" + b"\r\n")
    assert message is not None
    assert message["Name"] == 'O\'Brien "x" \\n \n \\q'


def test_command_output_is_not_unescaped() -> None:
    message = parse(b"Response: Success\r\nOutput: C:\\new\r\n")
    assert message is not None
    assert message["Output"] == r"C:\new"


def test_a_header_that_is_not_there_is_a_key_error_and_not_an_empty_text() -> None:
    message = parse(b"Event: Hangup\r\nCause: \r\n")
    assert message is not None
    assert message["Cause"] == ""
    assert message.get("Linkedid") is None
    with pytest.raises(KeyError):
        message["Linkedid"]


def test_a_doubled_event_header_keeps_its_first_name_and_both_values() -> None:
    message = parse(b"Event: UserEvent\r\nEvent: Hangup\r\nChanVariable: a\r\nChanVariable: b")
    assert message is not None
    assert (message.name, message.all("Event")) == ("UserEvent", ("UserEvent", "Hangup"))
    assert message.all("ChanVariable") == ("a", "b")


def test_a_message_cannot_be_changed_and_does_not_show_values_when_printed() -> None:
    message = parse(b"Event: Newchannel\r\nCallerIDNum: 13800138000\r\n")
    assert message is not None
    assert "13800138000" not in repr(message)
    with pytest.raises(AttributeError):
        message.pairs = ()  # type: ignore[misc]


def test_a_sequence_number_is_a_number_or_none() -> None:
    def number(text: bytes) -> int | None:
        message = parse(b"Event: A\r\nSequenceNumber: " + text)
        return message.sequence_number if message else -1

    assert [number(b"42"), number(b"x"), number(b""), number("²".encode())] == [
        42,
        None,
        None,
        None,
    ]


def test_a_message_that_is_neither_event_nor_response_is_nothing() -> None:
    assert parse(b"Foo: bar\r\nno colon here") is None


async def test_a_fault_in_one_message_does_not_drop_its_neighbours() -> None:
    seen: list[bytes] = []
    rejected: list[int] = []

    def take(raw: bytes) -> None:
        if b"Bad" in raw:
            raise ValueError("planted")
        seen.append(raw)

    protocol = AmiProtocol(
        on_message=take, on_lost=lambda _: None, on_reject=rejected.append, max_message=1000
    )
    protocol.data_received(GREETING + b"Event: A\r\n\r\nEvent: Bad\r\n\r\nEvent: B\r\n\r\n")
    assert seen == [b"Event: A", b"Event: B"]
    assert rejected == [1]
