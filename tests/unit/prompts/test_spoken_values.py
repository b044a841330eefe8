"""Values are spoken as the languages say them: read as texts, as the voice was given them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.prompts.pieces.say import (
    KINDS,
    LANGUAGES,
    MOST_PIECES,
    VOCABULARY,
    say_value,
    text_of,
)
from callcenter.prompts.pieces.values import Unspeakable
from callcenter.prompts.shipped import texts_in

pytestmark = pytest.mark.unit

TEXTS = {language: texts_in(language) for language in LANGUAGES}


def said(kind: str, value: str, language: str) -> str:
    return text_of(say_value(kind, value, language), language, TEXTS[language])


#: kind → (value, Mandarin, English)
CASES: dict[str, list[tuple[str, str, str]]] = {
    "digits": [
        ("0", "零", "zero"),
        ("1", "幺", "one"),
        ("110", "幺幺零", "one one zero"),
        ("12345", "幺二三四五", "one two three four five"),
        ("2026", "二零二六", "two zero two six"),
        ("222", "二二二", "two two two"),
        ("123456", "幺二三，四五六", "one two three, four five six"),
        ("6543210", "六五四，三二幺零", "six five four, three two one zero"),
        ("88886666", "八八八八，六六六六", "eight eight eight eight, six six six six"),
        ("013800138", "零幺三，八零零，幺三八", "zero one three, eight zero zero, one three eight"),
        (
            "13800138000",
            "幺三八，零零幺三，八零零零",
            "one three eight, zero zero one three, eight zero zero zero",
        ),
        (
            "+8613800138000",
            "加八六，幺三八，零零幺三，八零零零",
            "plus eight six, one three eight, zero zero one three, eight zero zero zero",
        ),
        ("*", "星号", "star"),
        ("#", "井号", "hash"),
        ("*57#", "星号五七井号", "star five seven hash"),
        ("1234567*", "幺二三四五六七星号", "one two three four five six seven star"),
        ("+1", "加幺", "plus one"),
    ],
    "case_number": [
        (
            "2600000018",
            "二六，零零零零，零零幺八",
            "two six, zero zero zero zero, zero zero one eight",
        ),
        (
            "2612345675",
            "二六，幺二三四，五六七五",
            "two six, one two three four, five six seven five",
        ),
        (
            "0000000000",
            "零零，零零零零，零零零零",
            "zero zero, zero zero zero zero, zero zero zero zero",
        ),
        ("1111111111", "幺幺，幺幺幺幺，幺幺幺幺", "one one, one one one one, one one one one"),
        (
            "9876543210",
            "九八，七六五四，三二幺零",
            "nine eight, seven six five four, three two one zero",
        ),
        (
            "2600000026",
            "二六，零零零零，零零二六",
            "two six, zero zero zero zero, zero zero two six",
        ),
        ("2601010101", "二六，零幺零幺，零幺零幺", "two six, zero one zero one, zero one zero one"),
        (
            "3000000000",
            "三零，零零零零，零零零零",
            "three zero, zero zero zero zero, zero zero zero zero",
        ),
        (
            "4444444444",
            "四四，四四四四，四四四四",
            "four four, four four four four, four four four four",
        ),
        (
            "5050505050",
            "五零，五零五零，五零五零",
            "five zero, five zero five zero, five zero five zero",
        ),
        (
            "2617181920",
            "二六，幺七幺八，幺九二零",
            "two six, one seven one eight, one nine two zero",
        ),
        (
            "2677777777",
            "二六，七七七七，七七七七",
            "two six, seven seven seven seven, seven seven seven seven",
        ),
        ("2612121212", "二六，幺二幺二，幺二幺二", "two six, one two one two, one two one two"),
        (
            "1000000001",
            "幺零，零零零零，零零零幺",
            "one zero, zero zero zero zero, zero zero zero one",
        ),
        ("2722222222", "二七，二二二二，二二二二", "two seven, two two two two, two two two two"),
    ],
    "count": [
        ("0", "零", "zero"),
        ("007", "七", "seven"),
        ("1", "一", "one"),
        ("2", "两", "two"),
        ("10", "十", "ten"),
        ("12", "十二", "twelve"),
        ("20", "二十", "twenty"),
        ("22", "二十二", "twenty-two"),
        ("99", "九十九", "ninety-nine"),
        ("100", "一百", "one hundred"),
        ("102", "一百零二", "one hundred and two"),
        ("110", "一百一十", "one hundred and ten"),
        ("112", "一百一十二", "one hundred and twelve"),
        ("120", "一百二十", "one hundred and twenty"),
        ("200", "两百", "two hundred"),
        ("222", "两百二十二", "two hundred and twenty-two"),
        ("1000", "一千", "one thousand"),
        ("1002", "一千零二", "one thousand and two"),
        ("1012", "一千零一十二", "one thousand and twelve"),
        ("1020", "一千零二十", "one thousand and twenty"),
        ("1200", "一千两百", "one thousand two hundred"),
        ("2345", "两千三百四十五", "two thousand three hundred and forty-five"),
        ("10000", "一万", "ten thousand"),
        ("10020", "一万零二十", "ten thousand and twenty"),
        ("12000", "一万两千", "twelve thousand"),
        ("20000", "两万", "twenty thousand"),
        ("22000", "两万两千", "twenty-two thousand"),
        ("100000", "十万", "one hundred thousand"),
        ("100012", "十万零一十二", "one hundred thousand and twelve"),
        ("120000", "十二万", "one hundred and twenty thousand"),
        ("1020000", "一百零二万", "one million twenty thousand"),
        ("1203000", "一百二十万三千", "one million two hundred and three thousand"),
        ("2000000", "两百万", "two million"),
        ("10000001", "一千万零一", "ten million and one"),
        ("20000200", "两千万零两百", "twenty million two hundred"),
        ("100000000", "一亿", "one hundred million"),
        ("100010000", "一亿零一万", "one hundred million ten thousand"),
        ("200000002", "两亿零二", "two hundred million and two"),
        ("100001000", "一亿零一千", "one hundred million one thousand"),
        ("1000120000", "十亿零一十二万", "one billion one hundred and twenty thousand"),
        ("12000000000", "一百二十亿", "twelve billion"),
        (
            "999999999999",
            "九千九百九十九亿九千九百九十九万九千九百九十九",
            "nine hundred and ninety-nine billion nine hundred and ninety-nine million "
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
        ),
    ],
    "ordinal": [
        ("1", "第一", "first"),
        ("2", "第二", "second"),
        ("3", "第三", "third"),
        ("5", "第五", "fifth"),
        ("8", "第八", "eighth"),
        ("9", "第九", "ninth"),
        ("10", "第十", "tenth"),
        ("11", "第十一", "eleventh"),
        ("12", "第十二", "twelfth"),
        ("20", "第二十", "twentieth"),
        ("21", "第二十一", "twenty-first"),
        ("32", "第三十二", "thirty-second"),
        ("40", "第四十", "fortieth"),
        ("100", "第一百", "one hundredth"),
        ("102", "第一百零二", "one hundred and second"),
        ("200", "第二百", "two hundredth"),
        ("2000", "第二千", "two thousandth"),
        ("2012", "第二千零一十二", "two thousand and twelfth"),
        ("20000", "第二万", "twenty thousandth"),
        (
            "999999",
            "第九十九万九千九百九十九",
            "nine hundred and ninety-nine thousand nine hundred and ninety-ninth",
        ),
    ],
    "position": [
        ("1", "第一位", "first in line"),
        ("2", "第二位", "second in line"),
        ("3", "第三位", "third in line"),
        ("4", "第四位", "fourth in line"),
        ("7", "第七位", "seventh in line"),
        ("10", "第十位", "tenth in line"),
        ("12", "第十二位", "twelfth in line"),
        ("13", "第十三位", "thirteenth in line"),
        ("20", "第二十位", "twentieth in line"),
        ("22", "第二十二位", "twenty-second in line"),
        ("30", "第三十位", "thirtieth in line"),
        ("99", "第九十九位", "ninety-ninth in line"),
        ("100", "第一百位", "one hundredth in line"),
        ("101", "第一百零一位", "one hundred and first in line"),
        ("9999", "第九千九百九十九位", "nine thousand nine hundred and ninety-ninth in line"),
    ],
    "date": [
        (
            "2026-11-24",
            "二零二六年十一月二十四日",
            "the twenty-fourth of November twenty twenty-six",
        ),
        ("2026-01-01", "二零二六年一月一日", "the first of January twenty twenty-six"),
        ("2026-02-02", "二零二六年二月二日", "the second of February twenty twenty-six"),
        ("2024-02-29", "二零二四年二月二十九日", "the twenty-ninth of February twenty twenty-four"),
        ("2000-03-03", "二零零零年三月三日", "the third of March two thousand"),
        ("2005-04-10", "二零零五年四月十日", "the tenth of April two thousand and five"),
        ("2009-05-11", "二零零九年五月十一日", "the eleventh of May two thousand and nine"),
        ("2010-06-12", "二零一零年六月十二日", "the twelfth of June twenty ten"),
        ("1900-07-20", "一九零零年七月二十日", "the twentieth of July nineteen hundred"),
        ("1905-08-21", "一九零五年八月二十一日", "the twenty-first of August nineteen oh five"),
        ("1949-10-01", "一九四九年十月一日", "the first of October nineteen forty-nine"),
        (
            "1999-12-31",
            "一九九九年十二月三十一日",
            "the thirty-first of December nineteen ninety-nine",
        ),
        ("2100-09-30", "二一零零年九月三十日", "the thirtieth of September twenty-one hundred"),
        ("2101-09-15", "二一零一年九月十五日", "the fifteenth of September twenty-one oh one"),
        (
            "2199-11-13",
            "二一九九年十一月十三日",
            "the thirteenth of November twenty-one ninety-nine",
        ),
    ],
    "time": [
        ("00:00", "凌晨零点", "midnight"),
        ("00:05", "凌晨零点零五分", "twelve oh five a.m."),
        ("00:30", "凌晨零点三十分", "twelve thirty a.m."),
        ("02:00", "凌晨两点", "two a.m."),
        ("05:59", "凌晨五点五十九分", "five fifty-nine a.m."),
        ("06:00", "上午六点", "six a.m."),
        ("08:30", "上午八点三十分", "eight thirty a.m."),
        ("09:02", "上午九点零二分", "nine oh two a.m."),
        ("11:45", "上午十一点四十五分", "eleven forty-five a.m."),
        ("12:00", "中午十二点", "noon"),
        ("12:30", "中午十二点三十分", "twelve thirty p.m."),
        ("13:10", "下午一点十分", "one ten p.m."),
        ("14:00", "下午两点", "two p.m."),
        ("14:05", "下午两点零五分", "two oh five p.m."),
        ("17:30", "下午五点三十分", "five thirty p.m."),
        ("18:00", "晚上六点", "six p.m."),
        ("22:22", "晚上十点二十二分", "ten twenty-two p.m."),
        ("23:59", "晚上十一点五十九分", "eleven fifty-nine p.m."),
    ],
    "duration": [
        ("0", "零秒", "zero seconds"),
        ("1", "一秒", "one second"),
        ("2", "两秒", "two seconds"),
        ("12", "十二秒", "twelve seconds"),
        ("59", "五十九秒", "fifty-nine seconds"),
        ("60", "一分钟", "one minute"),
        ("62", "一分钟零两秒", "one minute and two seconds"),
        ("120", "两分钟", "two minutes"),
        ("150", "两分钟三十秒", "two minutes and thirty seconds"),
        ("720", "十二分钟", "twelve minutes"),
        ("3600", "一小时", "one hour"),
        ("3660", "一小时零一分钟", "one hour and one minute"),
        ("5400", "一小时三十分钟", "one hour and thirty minutes"),
        ("7200", "两小时", "two hours"),
        ("7230", "两小时零三十秒", "two hours and thirty seconds"),
        ("7345", "两小时零两分钟二十五秒", "two hours two minutes and twenty-five seconds"),
        ("79200", "二十二小时", "twenty-two hours"),
        (
            "359999",
            "九十九小时五十九分钟五十九秒",
            "ninety-nine hours fifty-nine minutes and fifty-nine seconds",
        ),
    ],
    "money": [
        ("0", "零元", "zero yuan"),
        ("0.00", "零元", "zero yuan"),
        ("0.02", "两分", "two fen"),
        ("0.2", "两角", "twenty fen"),
        ("0.22", "两角二分", "twenty-two fen"),
        ("0.50", "五角", "fifty fen"),
        ("1", "一元", "one yuan"),
        ("2", "两元", "two yuan"),
        ("2.20", "两元二角", "two yuan and twenty fen"),
        ("10", "十元", "ten yuan"),
        ("12.5", "十二元五角", "twelve yuan and fifty fen"),
        ("12.05", "十二元零五分", "twelve yuan and five fen"),
        ("22.22", "二十二元二角二分", "twenty-two yuan and twenty-two fen"),
        ("102", "一百零二元", "one hundred and two yuan"),
        ("200", "两百元", "two hundred yuan"),
        ("1250.00", "一千两百五十元", "one thousand two hundred and fifty yuan"),
        ("20000", "两万元", "twenty thousand yuan"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "value", "zh", "en"),
    [(kind, *case) for kind, cases in CASES.items() for case in cases],
)
def test_a_value_is_said_in_both_languages(kind: str, value: str, zh: str, en: str) -> None:
    assert said(kind, value, "zh") == zh
    assert said(kind, value, "en") == en


def test_each_kind_has_at_least_fifteen_cases() -> None:
    assert {kind: len(cases) >= 15 for kind, cases in CASES.items()} == dict.fromkeys(KINDS, True)


DATES = st.dates(date(1900, 1, 1), date(2199, 12, 31)).map(str)
VALUES = {
    "digits": st.from_regex(r"\A\+?[0-9*#]{1,32}\Z"),
    "case_number": st.from_regex(r"\A[0-9]{10}\Z", fullmatch=True),
    "count": st.integers(0, 10**12 - 1).map(str),
    "ordinal": st.integers(1, 999_999).map(str),
    "position": st.integers(1, 9_999).map(str),
    "date": DATES,
    "time": st.times().map(lambda at: at.isoformat("minutes")),
    "duration": st.integers(0, 359_999).map(str),
    "money": st.tuples(st.integers(0, 10**12 - 1), st.integers(0, 99)).map(
        lambda amount: f"{amount[0]}.{amount[1]:02d}"
    ),
}
ANY = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind]))


@given(ANY, st.sampled_from(LANGUAGES))
def test_every_value_in_range_needs_only_pieces_that_are_shipped_and_few(
    value: tuple[str, str], language: str
) -> None:
    pieces = say_value(*value, language)
    assert set(pieces) <= VOCABULARY[language]
    assert VOCABULARY[language] <= set(TEXTS[language])
    assert 1 <= len(pieces) <= MOST_PIECES <= 60


def test_the_longest_values_stay_within_the_bound() -> None:
    longest = {
        "digits": "+" + "1" * 32,
        "count": "999999999999",
        "money": "999999999999.99",
        "ordinal": "999999",
        "duration": "359999",
        "date": "1999-12-29",
    }
    most = {
        kind: max(len(say_value(kind, value, language)) for language in LANGUAGES)
        for kind, value in longest.items()
    }
    assert most["digits"] == MOST_PIECES
    assert (most["count"], most["money"]) == (23, 28)
    assert max(most.values()) == MOST_PIECES


def test_no_piece_of_the_vocabulary_is_idle() -> None:
    for language in LANGUAGES:
        used: set[str] = set()
        for number in range(1000):
            used |= set(say_value("count", str(number), language))
            used |= set(say_value("duration", str(number * 61), language))
        for kind, cases in CASES.items():
            for value, _zh, _en in cases:
                used |= set(say_value(kind, value, language))
        for number in range(1, 100):
            used |= set(say_value("ordinal", str(number), language))
        for number in range(1_000_000):
            if used >= VOCABULARY[language]:
                break
            used |= set(say_value("digits", f"{number:06d}", language))
            day = date(2026, 1, 1) + timedelta(days=number % 365)
            used |= set(say_value("date", day.isoformat(), language))
        assert VOCABULARY[language] - used == set()


# -- Numbers, parsed back by a reader that shares nothing with the speaker ------------------------


def read_mandarin(text: str) -> int:
    """Syllable by syllable: a figure waits for its place, 万 and 亿 close what stands before."""
    figures = {**{c: n for n, c in enumerate("零一二三四五六七八九")}, "两": 2}
    places = {"十": 10, "百": 100, "千": 1000}
    total = group = figure = 0
    for syllable in text:
        if syllable in figures:
            figure = figures[syllable]
        elif syllable in places:
            group += (figure or 1) * places[syllable]
            figure = 0
        else:
            size = {"万": 10**4, "亿": 10**8}[syllable]
            total += (group + figure) * size
            group = figure = 0
    return total + group + figure


def _words(text: str) -> list[str]:
    return text.split()


def read_english(text: str) -> int:
    ones = _words(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen"
    )
    tens = _words("twenty thirty forty fifty sixty seventy eighty ninety")
    sizes = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
    total = group = 0
    for word in text.replace("-", " ").split():
        if word in ones:
            group += ones.index(word)
        elif word in tens:
            group += 20 + 10 * tens.index(word)
        elif word == "hundred":
            group *= 100
        elif word in sizes:
            total += group * sizes[word]
            group = 0
        else:
            assert word == "and"
    return total + group


NUMBERS = st.one_of(
    st.integers(0, 10**12 - 1),
    st.integers(0, 30_000),
    # Few figures, many zeros: where the holes are.
    st.tuples(st.integers(0, 10**4 - 1), st.integers(0, 8), st.integers(0, 99)).map(
        lambda parts: parts[0] * 10 ** parts[1] + parts[2]
    ),
)


@given(NUMBERS)
def test_a_number_that_was_said_is_understood(number: int) -> None:
    assert read_mandarin(said("count", str(number), "zh")) == number
    assert read_english(said("count", str(number), "en")) == number


@given(NUMBERS)
def test_mandarin_numbers_keep_the_rules_of_zero_and_two(number: int) -> None:
    text = said("count", str(number), "zh")
    assert "零零" not in text
    assert number == 0 or not text.startswith("零")
    assert number == 0 or not text.endswith("零")
    assert not text.startswith("一十")
    assert "两十" not in text
    assert not any(f"二{unit}" in text for unit in "百千")


# -- What cannot be spoken ------------------------------------------------------------------------

REFUSED = [
    *(
        ("digits", value)
        for value in ("", "1" * 33, "12a", "+", "1+2", "一", "１２", "1\n", "\x001", " 1")
    ),
    *(("case_number", value) for value in ("", "123456789", "12345678901", "١٢٣٤٥٦٧٨٩٠")),
    *(("count", value) for value in ("", "-1", "1.5", "10e3", "1000000000000", "9" * 5000, "1_0")),
    *(("ordinal", value) for value in ("0", "1000000", "", "first")),
    *(("position", value) for value in ("0", "10000", "-2")),
    *(
        ("date", value)
        for value in (
            "2026-02-29",
            "1899-12-31",
            "2200-01-01",
            "2026-1-1",
            "20261124",
            "2026-W01-1",
        )
    ),
    *(("date", value) for value in ("0000-00-00", "2026-11-24T10:00", "", "2026-13-01")),
    *(("time", value) for value in ("24:00", "9:30", "09:60", "0930", "09:30:00", "", "1２:00")),
    *(("duration", value) for value in ("360000", "-1", "90s", "")),
    *(
        ("money", value)
        for value in ("", "-1", "1.234", "1.", ".5", "1,000", "1e3", "NaN", "9" * 13)
    ),
    ("weight", "1"),
    ("", "1"),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_cannot_be_spoken_is_refused_without_repeating_it(language: str) -> None:
    for kind, value in REFUSED:
        with pytest.raises(Unspeakable) as refusal:
            say_value(kind, value, language)
        assert len(value) < 3 or value not in str(refusal.value)
        assert len(str(refusal.value)) < 200


def test_a_language_without_pieces_is_refused() -> None:
    with pytest.raises(Unspeakable, match="zh, en"):
        say_value("count", "1", "fr")


@given(st.sampled_from(KINDS), st.text(max_size=40), st.sampled_from(LANGUAGES))
def test_any_text_is_spoken_or_refused(kind: str, value: str, language: str) -> None:
    with suppress(Unspeakable):
        assert set(say_value(kind, value, language)) <= VOCABULARY[language]
